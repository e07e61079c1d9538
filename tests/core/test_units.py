import pytest

from s3facade.core import units


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.size, "4 GiB", 4 * 2**30),
        (units.size, "1.5MB", 1_500_000),
        (units.length, "0.5 um", 0.5),
        (units.length, "0.5 µm", 0.5),
        (units.length, "0.5 μm", 0.5),
        (units.length, "325nm", 0.325),
        (units.length, "2e-3 mm", 2.0),
        (units.duration, "10 s", 10.0),
        (units.duration, "500 ms", 0.5),
        (units.duration, "0 s", 0.0),
    ],
)
def test_a_quantity_is_its_number_times_its_unit(read, text, value):
    assert read(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (units.size, "4"),
        (units.size, "0 B"),
        (units.length, "-1 um"),
        (units.length, "0 um"),
        (units.duration, "10 S"),
        (units.duration, "s"),
        (units.length, "1 inch"),
        (units.length, "1e999 m"),
    ],
)
def test_what_is_no_quantity_is_refused(read, text):
    with pytest.raises(ValueError, match="must be"):
        read(text)

"""Names of rows and columns: what labels of files mean, and their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.layouts import wells


def test_rows_are_lettered_as_on_plates():
    assert wells.rows(8) == tuple("ABCDEFGH")
    assert wells.rows(32)[25:] == ("Z", "AA", "AB", "AC", "AD", "AE", "AF")
    assert wells.columns(3) == ("1", "2", "3")
    assert len(set(wells.rows(wells.MOST))) == wells.MOST


@given(st.integers(0, wells.MOST - 1))
def test_letters_and_places_are_each_others_inverse(row):
    assert wells.place(wells.letters(row)) == row
    assert wells.place(wells.letters(row).lower()) == row
    assert wells.index(wells.rows(wells.MOST), str(row + 1), numbered=True) == row


def test_every_format_has_as_many_wells_as_it_is_called():
    assert all(rows * columns == count for count, (rows, columns) in wells.STANDARD.items())


@pytest.mark.parametrize(
    ("names", "label", "found"),
    [
        ("ABCDEFGH", "A", 0),
        ("ABCDEFGH", "h", 7),
        ("ABCDEFGH", "I", None),
        ("ABCDEFGH", "0", None),
        ("ABCDEFGH", "9", None),
        ("ABCDEFGH", "02", 1),
        (("top", "bottom"), "bottom", 1),
        (("top", "bottom"), "1", None),
        (("01", "02"), "2", 1),
    ],
)
def test_a_label_means_a_row(names, label, found):
    assert wells.index(tuple(names), label, numbered=True) == found


def test_letters_never_mean_a_numbered_column():
    assert wells.index(wells.columns(12), "A") is None
    assert wells.index(wells.columns(12), "07") == 6
    assert wells.index(wells.columns(12), "13") is None


def test_names_that_occur_stand_in_natural_order():
    assert wells.occurring(["10", "2", "01", "1"]) == ("1", "2", "10")
    assert wells.occurring(["AA", "b", "A", "Z"]) == ("A", "B", "Z", "AA")
    assert wells.occurring(["s10", "s2", "s1"]) == ("s1", "s2", "s10")


@pytest.mark.parametrize(
    ("well", "parts"),
    [
        ("A/1", ("A", "1")),
        ("A/01", ("A", "01")),
        ("A01", ("A", "01")),
        ("af48", ("af", "48")),
        ("A/1/2", None),
        ("A", None),
        ("A-1", None),
        ("A/1 b", None),
        ("/1", None),
        ("", None),
        ("\u00c4/1", None),
    ],
)
def test_wells_are_a_row_and_a_column(well, parts):
    assert wells.split(well) == parts

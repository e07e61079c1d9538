import pytest

from s3facade.config.template import compile_template
from s3facade.core.errors import ConfigError


def test_a_template_is_filled_from_captures():
    template = compile_template("{animal}/s{section:03}.ome.zarr")
    assert template.names == ("animal", "section")
    assert template.fill({"animal": "m12", "section": 7, "stem": "x"}) == "m12/s007.ome.zarr"


@pytest.mark.parametrize(
    "text", ["/a", "a/", "a//b", "../a", "a/./b", "{a:%Y}", "{a:x}", "{a:{b}}", "{", "}", "{}", "{:03}"]
)
def test_a_template_that_could_leave_the_bucket_or_is_none_is_refused(text):
    with pytest.raises(ConfigError):
        compile_template(text)


def test_a_value_that_does_not_fit_its_format_is_named():
    with pytest.raises(ConfigError, match="cannot be filled in"):
        compile_template("s{section:03d}").fill({"section": "seven"})

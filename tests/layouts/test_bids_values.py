"""Fields of sidecars: typed and checked by the schema, with sentences that begin with the field's name."""

from __future__ import annotations

import re

import pytest

from s3facade.layouts.bids.values import field, fields, pixel_size


@pytest.mark.parametrize(
    ("stated", "made"),
    [
        ({"PixelSize": "0.5 um"}, {"PixelSize": [0.5, 0.5], "PixelSizeUnits": "um"}),
        ({"PixelSize": "500 nm"}, {"PixelSize": [500, 500], "PixelSizeUnits": "nm"}),
        (
            {"PixelSize": {"x": "0.5 um", "y": "0.5 um", "z": "2 um"}},
            {"PixelSize": [0.5, 0.5, 2], "PixelSizeUnits": "um"},
        ),
        ({"PixelSize": ["0.5 um", "0.001 mm"]}, {"PixelSize": [0.5, 1], "PixelSizeUnits": "um"}),
        ({"PixelSize": [4, 4, 30], "PixelSizeUnits": "nm"}, {"PixelSize": [4, 4, 30], "PixelSizeUnits": "nm"}),
        ({"PixelSize": "0.5 µm"}, {"PixelSize": [0.5, 0.5], "PixelSizeUnits": "um"}),
        ({"SliceThickness": 20}, {"SliceThickness": 20}),
        ({"SliceThickness": "0.02 mm"}, {"SliceThickness": 20}),
        ({"SampleStaining": "LFB"}, {"SampleStaining": "LFB"}),
        ({"SampleStaining": ["LFB", "PLP"]}, {"SampleStaining": ["LFB", "PLP"]}),
        ({"Magnification": "40"}, {"Magnification": 40}),
        ({"OfOurOwn": {"a": 1}}, {"OfOurOwn": {"a": 1}}),
        ({"SkullStripped": "true"}, {"SkullStripped": True}),
    ],
)
def test_fields_are_typed_as_the_schema_says(stated, made):
    assert fields(stated) == made


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (
            {"SampleEnvironment": "exvivo"},
            "SampleEnvironment: is one of in vivo, ex vivo, in vitro, not 'exvivo'",
        ),
        ({"SliceThickness": "thin"}, "SliceThickness: must be a number and a unit of"),
        ({"Magnification": "many"}, "Magnification: must be a number, not 'many'"),
        ({"Magnification": -4}, "Magnification: must be greater than 0, not -4"),
        ({"PixelSise": "0.5 um"}, "PixelSise: BIDS has no such field; did you mean PixelSize?"),
        ({"PixelSize": [0.5, 0.5]}, "PixelSize: needs a unit; write it as in '0.5 um', or add PixelSizeUnits"),
        ({"PixelSize": {"x": "1 um"}}, "PixelSize: needs the axes x and y, and may have z; not x"),
        ({"PixelSize": "0.5 inch"}, "PixelSize: must be a number and a unit of"),
        ({"PixelSize": [1, 2, 3, 4], "PixelSizeUnits": "um"}, "PixelSize: has two or three numbers"),
        ({"BodyPart": ""}, "BodyPart: is empty; leave it out where nothing is known"),
        ({"BodyPart": ["a"]}, "BodyPart: must be text, not ['a']"),
        ({"SkullStripped": "maybe"}, "SkullStripped: must be true or false, not 'maybe'"),
    ],
)
def test_what_the_schema_does_not_allow_is_refused(stated, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        fields(stated)


def test_units_of_pixels_are_those_that_bids_has():
    assert pixel_size("20 angstrom", None) == {"PixelSize": [0.002, 0.002], "PixelSizeUnits": "um"}
    assert field("SampleEnvironment", "ex vivo") == "ex vivo"

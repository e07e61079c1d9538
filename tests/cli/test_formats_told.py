"""What ``formats`` and ``inspect`` tell about readers and about how an image was taken."""

from __future__ import annotations

import numpy as np
import pytest

from s3facade import registry
from s3facade.cli.inspect import _light, acquisition
from s3facade.cli.main import main
from s3facade.core.spec import Channel
from s3facade.testing import in_memory


def test_every_reader_has_its_names_and_needs(capsys):
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::2]] == list(registry.names("readers"))
    about = dict(zip(registry.names("readers"), lines[1::2], strict=True))
    assert ".svs" in about["tiff"]
    assert "nibabel of s3facade[neuro]" in about["parrec"]
    assert "by content alone" in about["synthetic"]
    assert all(line.startswith(" " * 13) for line in about.values())
    told = [line.strip().partition(";")[0].split(", ") for line in about.values()]
    assert all(len(names) == len(set(names)) for names in told)


def test_what_is_missing_is_told_with_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert main(["formats"]) == 0
    assert "not installed: needs nibabel (pip install 's3facade[neuro]')" in capsys.readouterr().out


def test_how_an_image_was_taken():
    objective = {"name": "Plan-Apo", "magnification": 63.0, "na": 1.4, "immersion": "oil"}
    plate = {"name": "P", "row": "B", "column": "3", "field": 0}
    image = in_memory(np.zeros((2, 2), "u1"), acquired="2020-01-02T03:04:05", objective=objective, plate=plate)
    assert list(acquisition(image.spec)) == [
        "  acquired  2020-01-02T03:04:05",
        "  objective Plan-Apo, 63x, NA 1.4, oil",
        "  plate     name P, row B, column 3, field 0",
    ]
    assert list(acquisition(in_memory(np.zeros((2, 2), "u1"), objective={"name": 7, "na": "x"}).spec)) == []


def test_wavelengths_are_shown():
    assert _light(Channel(emission=461.0, excitation=358.5)) == ", excitation 358.5 nm, emission 461 nm"
    assert _light(Channel()) == ""


@pytest.mark.parametrize("name", registry.names("readers"))
def test_every_reader_says_in_one_line_what_it_reads(name, capsys):
    main(["formats"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name} ")]
    assert len(line) > 20

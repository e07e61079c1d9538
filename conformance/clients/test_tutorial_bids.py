"""The BIDS tutorial from the first line to the verdict of the official validator, by the clients that it names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from conformance.server import ROOT


def test_every_command_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("tutorial_bids", ROOT / "scripts" / "tutorial_bids.py")
    assert spec is not None
    assert spec.loader is not None
    tutorial = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tutorial_bids", tutorial)
    spec.loader.exec_module(tutorial)
    made = tutorial.run(tmp_path)
    made.stop()
    assert made.left_out == []
    assert "ERROR" not in made.outputs["bids-validator-deno copy --ignoreWarnings"]

"""The tutorial's own commands do what it says, as far as they need no client; conformance runs all of them."""

import importlib.util
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "tutorial_bids.py"


@pytest.fixture(scope="module")
def tutorial():
    import sys

    spec = importlib.util.spec_from_file_location("tutorial_bids", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look for their module there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_page_does_what_it_says(tutorial, tmp_path):
    made = tutorial.run(tmp_path, alone=True)
    assert [command.split()[1] for command in made.outputs] == ["init", "check", "check"]
    assert len(made.left_out) == 5


def test_a_promise_that_is_not_kept_is_found(tutorial, tmp_path):
    run = tutorial.Run(tmp_path)
    with pytest.raises(tutorial.Broken, match="prints no line"):
        run.command("s3facade --version", ["s3facade 999"])
    with pytest.raises(tutorial.Broken, match="ends with 1"):
        run.command("s3facade init nowhere", [])


def test_its_pictures_are_pictures(tutorial):
    for name in tutorial.PICTURES:
        assert ET.parse(tutorial.IMAGES / f"{name}.svg").getroot().tag.endswith("svg")
    assert (tutorial.IMAGES / "tutorial-section.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_a_terminal_escapes_what_it_shows(tutorial):
    text = tutorial.terminal("ls <a>", "H&E\n" + "x" * 400)
    assert "H&amp;E" in ET.canonicalize(text)
    assert "x" * 133 not in text

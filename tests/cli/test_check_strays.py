"""Files that match no source: in check, on the status page, and shown as they are where a bucket says so."""

import json
import re
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade.cli.main import main
from s3facade.config.load import load
from s3facade.core.errors import ConfigError

PLANE = np.arange(32 * 40, dtype=np.uint8).reshape(32, 40)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Two images that match; a table that is joined; five files that match nothing, two of them left by systems."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/m12_sec7.tif", "a/m12_sec8.tif", "a/overview.tif", "a/deep/er/x.tif"):
        path = tmp_path / "lab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, PLANE)
    (tmp_path / "lab" / "notes.txt").write_text("hello")
    (tmp_path / "lab" / "animals.csv").write_text("ID,Sex\nm12,F\n")
    (tmp_path / "lab" / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "lab" / ".hidden").write_bytes(b"x")
    return tmp_path


def configuration(folder, bucket="", source=""):
    path = folder / "lab" / "c.yaml"
    path.write_text(
        "sources:\n"
        "  sections:\n"
        '    files: "{batch}/{animal}_sec{section:int}.tif"\n'
        f"    join: [{{table: animals.csv, by: {{animal: ID}}}}]\n{source}"
        "buckets:\n"
        f"  lab:\n{bucket}"
        '    views: [{type: ome-zarr, from: sections, path: "{animal}_{section}.ome.zarr"}]\n'
    )
    return path


@contextmanager
def served(path):
    command = [sys.executable, "-m", "s3facade", "serve", str(path), "--port", "0", "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "http://127.0.0.1" in line)
            yield re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()


def fetched(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def test_check_names_each_once_and_says_where_its_pattern_fails(lab, capsys):
    path = configuration(lab)
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "files that match no source, below " in out
    assert "(3)" in out
    assert "a/overview.tif: fits '{batch}/' as far as 'a/'" in out
    assert "notes.txt: " in out
    assert "a/deep/" in out
    for known in ("animals.csv:", "c.yaml", "Thumbs.db", ".hidden"):
        assert known not in out
    assert out.endswith("No problems, 3 warnings.\n")
    assert main(["check", str(path), "--strict"]) == 1


def test_two_sources_of_one_folder_share_their_strays(lab, capsys):
    path = configuration(lab, source='  views: {files: "{batch}/over{what}.tif"}\n')
    assert main(["check", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (strays,) = [f for f in found["findings"] if f["title"].startswith("files that match no source")]
    assert {e["about"] for e in strays["examples"]} == {"a/deep/", "notes.txt"}
    (unused,) = [f for f in found["findings"] if f["title"].startswith("sources that no view")]
    assert unused["examples"] == [{"about": "views", "sentence": ""}]


def test_skipped_files_are_not_told_as_forgotten(lab, capsys):
    path = configuration(lab)
    path.write_text(
        path.read_text().replace("    join:", '    skip: ["*.txt", "a/deep/**", "**/overview*"]\n    join:')
    )
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "match no source" not in out
    assert "notes.txt: by `skip`: '*.txt'" in out
    assert out.endswith("No problems.\n")


def test_the_status_page_tells_them(lab):
    with served(configuration(lab)) as url:
        found = json.loads(fetched(f"{url}/-/status"))["unmatched"]
    assert found == {"files": 3, "and_more": False, "first": ["a/deep/", "a/overview.tif", "notes.txt"]}


def test_the_status_page_does_not_tell_of_private_buckets(lab):
    path = configuration(lab, bucket="    access: private\n")
    path.write_text(path.read_text() + "access: [{key: someone, secret: long-enough-secret, buckets: [lab]}]\n")
    with served(path) as url:
        assert json.loads(fetched(f"{url}/-/status"))["unmatched"]["files"] == 0


def test_a_bucket_shows_them_where_it_is_asked_to(lab):
    with served(configuration(lab, bucket="    unmatched: sourcedata\n")) as url:
        listed = re.findall(r"<Key>(sourcedata/[^<]+)", fetched(f"{url}/lab?list-type=2").decode())
        assert listed == ["sourcedata/a/deep/er/x.tif", "sourcedata/a/overview.tif", "sourcedata/notes.txt"]
        assert fetched(f"{url}/lab/sourcedata/notes.txt") == b"hello"
        assert fetched(f"{url}/lab/sourcedata/a/deep/er/x.tif") == (lab / "lab/a/deep/er/x.tif").read_bytes()


def test_its_prefix_has_no_captures(lab):
    with pytest.raises(ConfigError, match=r"c\.yaml:\d+: buckets\.lab\.unmatched: has no captures"):
        load(configuration(lab, bucket='    unmatched: "{animal}"\n'))


def test_strays_are_files_of_this_machine_below_patterns_that_look_for_files(lab, capsys):
    path = Path("one.yaml")
    path.write_text(
        'sources: {a: {files: "lab/a/m12_sec7.tif"}}\nbuckets: {abc: {views: [{type: ome-zarr, from: a, path: x}]}}\n'
    )
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out.endswith("No problems.\n")

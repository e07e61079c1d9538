"""Every file of the corpus opens with the voxels that another library reads, or says why not."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch

import pytest

from conformance.formats.corpus import REPOSITORY, root
from conformance.formats.examine import examine, files, table
from conformance.formats.page import page
from conformance.formats.passing import passes
from conformance.formats.reasons import COMPANIONS, REFUSED, UNREAD
from s3facade.readers.tiff.reader import TiffReader
from s3facade.stores.local import LocalFile

PAGE = REPOSITORY / "docs" / "formats.md"


@pytest.fixture(scope="module")
def rows():
    if root() is None:
        if os.environ.get("CI"):
            pytest.fail("no corpus: set S3FACADE_CORPUS to a folder of real images")
        pytest.skip("no corpus")
    return table()


@pytest.mark.filterwarnings("ignore")
def test_every_file_opens_with_the_voxels_of_another_library(rows):
    bad = {row.path: row.bad for row in rows if row.bad}
    assert not bad, "\n".join(f"{path}: {why}" for path, why in bad.items())
    assert len(rows) == len(files())


def test_no_file_stops_opening(rows):
    """Fewer than the page says are a step back."""
    told = re.search(r"^\| opened \| (\d+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sum(row.kind == "opens" for row in rows) >= int(told[1])


def test_most_are_compared(rows):
    """Voxels without another library's word for them are few, and named."""
    images = [image for row in rows if row.kind == "opens" for image in row.images]
    alone = [image for image in images if image.pixels.startswith("not compared")]
    assert len(alone) <= 0.06 * len(images), [image.pixels for image in alone]


def test_every_reason_is_needed(rows):
    """What is excused is there, and is not read meanwhile."""
    left = {row.path for row in rows if row.kind == "companion"}
    refused = {row.path: row.reason for row in rows if row.kind == "refused"}
    idle = [p for p in COMPANIONS if not any(fnmatch(f"/{path}", f"*/{p.removeprefix('*/')}") for path in left)]
    idle += [
        p for p, part in REFUSED.items() if not any(fnmatch(f, p) and re.search(part, r) for f, r in refused.items())
    ]
    idle += [path for path in UNREAD if path not in refused]
    assert not idle


def test_the_page_names_every_folder(rows):
    text = page(rows)
    assert all(f"`{row.path.split('/')[0]}" in text for row in rows)


def test_chunks_pass_where_their_bytes_are_what_zarr_says():
    corpus = files()[0].parents[1] if root() is None else root()
    told = {}
    for name in ("derived/pyramid-subifd-u16-zstd.ome.tif", "tiff-pyramid/cog.tif", "wsi/cmu-1-small-region.svs"):
        (raster, *_) = TiffReader().open(LocalFile.open(corpus / name), {})
        told[name] = passes(raster)
    assert list(told.values()) == ["bytes, zstd", "bytes, gzip (wrapped anew)", ""]


def test_a_damaged_file_is_told(tmp_path, monkeypatch, rows):
    path = root() / "tiff-odd" / "int16_zstd.tif"
    copy = tmp_path / "shared" / "cut.tif"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes()[:-50])
    monkeypatch.setattr("conformance.formats.examine.corpus", lambda: tmp_path / "shared")
    row = examine(copy)
    assert row.kind == "refused"
    assert row.bad.startswith("refused: ")

"""The contract of readers: TIFF keeps it, and readers that break a promise are told so."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import tifffile

from s3facade.readers.tiff.reader import TiffReader
from s3facade.testing.heads import HEADS
from s3facade.testing.readers import ReaderContract
from s3facade.testing.reading import Watched

CORPUS = Path(__file__).parents[1] / "corpus"


class TestTiff(ReaderContract):
    reader = TiffReader
    samples: ClassVar = [CORPUS / "16bit.MM.cropped.tif", CORPUS / "int16_zstd.tif", CORPUS / "xyt_8bit_polyp.tif"]
    alike: ClassVar = frozenset({"tiff", "tiff-big-endian", "bigtiff"})
    damaged: ClassVar = 12

    def expected(self, sample):
        return [[tifffile.imread(sample)]]


def contract(reader: type, sample: Path) -> ReaderContract:
    kind = type("Broken", (ReaderContract,), {"reader": reader, "samples": [sample]})
    return kind()


class Greedy(TiffReader):
    def sniff(self, head, name):
        return True


class Fragile(TiffReader):
    def open(self, file, options):
        if file.source.size < 100:
            raise KeyError("tag")
        return super().open(file, options)


class Leaky(TiffReader):
    kept: ClassVar[list] = []

    def open(self, file, options):
        self.kept.append(file.stream())
        return super().open(file, options)


class Lazy(TiffReader):
    def open(self, file, options):
        for _ in range(99):
            file.pread(0, 1)
        return super().open(file, options)


class Deaf(TiffReader):
    def open(self, file, options):
        return super().open(file, {})


class Shared(TiffReader):
    """Blocks that are views of the bytes."""

    def open(self, file, options):
        (raster,) = super().open(file, options)

        class Table:
            block = raster.chunks(0).block
            codec = "raw"
            cell = staticmethod(raster.chunks(0).cell)

            @staticmethod
            def decode(index, data):
                shape = raster.spec.levels[0].shape
                return np.frombuffer(data, raster.spec.dtype)[: shape[0] * shape[1]].reshape(shape)

        class Raster:
            spec, files, read = raster.spec, raster.files, raster.read

            def chunks(self, level):
                return Table

        return [Raster()]


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "in" / "a.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.arange(1024, dtype="u2").reshape(32, 32))
    return path


@pytest.mark.parametrize(
    ("reader", "test", "says"),
    [
        (Greedy, "test_leaves_other_files_alone", "other formats: png"),
        (Fragile, "test_cut_short", "tag"),
        (Leaky, "test_describes", "leaves a file open"),
        (Lazy, "test_describes", "reads to open"),
        (Shared, "test_blocks_belong_to_who_asked", "changes with the bytes"),
    ],
)
def test_broken_promises_are_found(reader, test, says, sample, tmp_path):
    check = getattr(contract(reader, sample), test)
    arguments = {"sample": sample, "tmp_path": tmp_path / "out"} if test == "test_cut_short" else {"sample": sample}
    (tmp_path / "out").mkdir()
    with pytest.raises((AssertionError, KeyError), match=says):
        check(**({} if test == "test_leaves_other_files_alone" else arguments))


def test_options_that_are_ignored_are_found(sample):
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        contract(Deaf, sample).test_unknown_options_are_refused(sample)


def test_other_voxels_are_found(sample):
    broken = contract(TiffReader, sample)
    broken.expected = lambda _: [[np.zeros((32, 32), "u2")]]
    with pytest.raises(AssertionError, match="other voxels"):
        broken.test_voxels_are_what_is_expected(sample)


def test_there_are_heads_enough():
    assert len(HEADS) > 30


def test_a_watched_file_notes_what_is_read(sample):
    file = Watched.open(sample)
    assert file.pread(0, 2) == b"II"
    assert file.sibling("a.tif").pread(2, 2) == b"*\0"
    assert [(o, n) for _, o, n in file.notes.reads] == [(0, 2), (2, 2)]
    assert file.names() == ["a.tif"]
    assert file.folder().source.size == 0
    assert file.path() == str(sample)
    file.stream()
    assert file.notes.close_all() == 1

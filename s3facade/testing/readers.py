"""The promises of a reader, as a class of tests that its own tests inherit. Needs pytest and nothing else.

class TestMine(ReaderContract):
    reader = MyReader
    samples = ["tests/data/a.mine"]
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, cast

import numpy as np
import pytest

from s3facade.core.errors import SourceError, Unsupported
from s3facade.core.operators import Block
from s3facade.core.protocols import Freezer, Raster, Reader, SourceFile
from s3facade.core.region import Region, cells
from s3facade.testing.heads import HEADS
from s3facade.testing.mutations import mutated
from s3facade.testing.reading import Watched, block, sampled, voxels
from s3facade.testing.specs import check_spec

Expected: TypeAlias = Sequence[Sequence[Block]]
"""Arrays of each image of a file, and of each level of it, finest first; levels may be left out at the end."""
LARGEST = 32 << 20
"""Bytes of a level that is read whole."""
SECONDS = 20.0
"""That opening and reading a damaged file may take."""


class ReaderContract:
    """Inherit, say what is to be tried, and every promise of `Reader` is a test of each sample."""

    reader: ClassVar[Callable[[], Reader]]
    """The class of the reader."""
    samples: ClassVar[Sequence[str | Path]]
    """Whole files of the format; the smaller, the quicker. Files that belong to one lie in its folder."""
    options: ClassVar[Mapping[str, object]] = {}
    """With which the samples are opened."""
    alike: ClassVar[frozenset[str]] = frozenset()
    """Names in `s3facade.testing.heads.HEADS` of files that the reader is right to take, too."""
    reads: ClassVar[int] = 40
    """``pread`` calls to open a sample at most: far away each of them is a request."""
    damaged: ClassVar[int] = 40
    """Damaged files that are made of each sample."""

    def expected(self, sample: Path) -> Expected | None:  # noqa: ARG002 - for subclasses
        """What is in the sample, read by another library; None where there is none to ask."""
        return None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for every sample."""
        if "sample" in metafunc.fixturenames:
            paths = [Path(sample) for sample in self.samples]
            metafunc.parametrize("sample", paths, ids=[path.name for path in paths])

    def open(self, path: Path) -> tuple[Sequence[Raster], Watched]:
        """The images of a file, and the file, whose reads are noted."""
        file = Watched.open(path)
        return type(self).reader().open(file, dict(self.options)), file

    def test_states_what_it_is(self) -> None:
        """Name, version, lane; suffixes in lower case and with a dot."""
        reader = type(self).reader()
        assert reader.name and reader.name == reader.name.lower() and " " not in reader.name, "name"
        assert isinstance(reader.version, int) and reader.version >= 1, "version"
        assert reader.lane in {"thread", "serial", "process"}, "lane"
        for suffix in getattr(reader, "suffixes", ()):
            assert suffix.startswith(".") and suffix == suffix.lower(), f"suffix {suffix!r}"
        assert hasattr(reader, "freeze") == hasattr(reader, "thaw"), "freeze and thaw go together"
        assert hasattr(reader, "freeze") or not getattr(reader, "apart", False), "what is opened apart has to be frozen"

    def test_recognises(self, sample: Path) -> None:
        """The first 4,096 bytes are enough, and no file name that is not the sample's is needed twice."""
        with sample.open("rb") as file:
            head = file.read(4096)
        assert type(self).reader().sniff(head, sample.name), f"{sample.name} is not recognised"

    def test_leaves_other_files_alone(self) -> None:
        """Files of other formats, cut heads and odd names are not taken, and nothing is raised."""
        reader = type(self).reader()
        own = {Path(sample).read_bytes()[:4] for sample in self.samples}
        taken = [
            name
            for name, (called, head) in HEADS.items()
            if name not in self.alike and head[:4] not in own - {b"\0\0\0\0"} and reader.sniff(head, called)
        ]
        assert not taken, f"takes files of other formats: {', '.join(taken)}; if that is right, name them in `alike`"
        for name, (called, head) in HEADS.items():
            for size in (0, 1, 3, 7, len(head) // 2):
                reader.sniff(head[:size], called)
            reader.sniff(head, "")
            reader.sniff(head, f"{name} \udcff.\n")

    def test_describes(self, sample: Path) -> None:
        """At least one image; descriptions that hold together; files; nothing left open; few reads."""
        rasters, file = self.open(sample)
        assert rasters, "no image"
        assert file.notes.close_all() == 0, "opening leaves a file open"
        assert len(file.notes.reads) <= self.reads, f"{len(file.notes.reads)} reads to open, {self.reads} allowed"
        for raster in rasters:
            check_spec(raster.spec)
            assert raster.spec.identity == "", "identities are the engine's to give"
            assert raster.spec.dtype.kind in "biuf", f"voxels of type {raster.spec.dtype}"
            paths = [f.source.path for f in raster.files]
            assert paths and len(set(paths)) == len(paths), f"files {paths}"
            for number in range(len(raster.spec.levels)):
                _check_grid(raster, number)
        again, _ = self.open(sample)
        assert [r.spec for r in again] == [r.spec for r in rasters], "another description the second time"

    def test_cells_lie_in_their_files(self, sample: Path) -> None:
        """Every range is inside a file that the raster names."""
        rasters, _ = self.open(sample)
        for raster in rasters:
            for number, level in enumerate(raster.spec.levels):
                table = raster.chunks(number)
                if table is None:
                    continue
                for count, (index, _) in enumerate(cells(Region.whole(level.shape), table.block)):
                    cell = table.cell(index)
                    if cell is not None:
                        assert 0 <= cell.file < len(raster.files), f"level {number}, cell {index}: file {cell.file}"
                        size = raster.files[cell.file].source.size
                        where = f"level {number}, cell {index}: {cell}"
                        assert cell.offset >= 0 and cell.nbytes > 0, where
                        if cell.offset + cell.nbytes > size:
                            # Only what is inflated may be longer than its file.
                            found = raster.files[cell.file].pread(cell.offset, cell.nbytes)
                            assert len(found) == cell.nbytes, where
                    if count > 5000:
                        break

    def test_regions_are_slices_of_the_whole(self, sample: Path) -> None:
        """Every level decodes; what is read of a region equals the slice of the whole level."""
        rasters, file = self.open(sample)
        rng = np.random.default_rng(5)
        for raster in rasters:
            for number, level in enumerate(raster.spec.levels):
                if _nbytes(raster, number) > LARGEST:
                    sampled(raster, number, 8)
                    continue
                whole = voxels(raster, number)
                for _ in range(4):
                    start = [int(rng.integers(0, n)) for n in level.shape]
                    stop = [int(rng.integers(a + 1, n + 1)) for a, n in zip(start, level.shape, strict=True)]
                    region = Region(tuple(start), tuple(stop))
                    found = voxels(raster, number, region)
                    assert _same(found, whole[region.slices()]), f"level {number}, {region} differs from the whole"
        assert file.notes.close_all() == 0, "reading leaves a file open"

    def test_voxels_are_what_is_expected(self, sample: Path) -> None:
        """As another library reads them."""
        expected = self.expected(sample)
        if expected is None:
            pytest.skip("nothing to compare with")
        rasters, _ = self.open(sample)
        assert len(rasters) == len(expected), f"{len(rasters)} images, {len(expected)} expected"
        for image, (raster, levels) in enumerate(zip(rasters, expected, strict=True)):
            for number, want in enumerate(levels):
                found = voxels(raster, number)
                assert found.shape == want.shape, f"image {image}, level {number}: {found.shape}, not {want.shape}"
                assert _same(found, want), f"image {image}, level {number}: other voxels"

    def test_blocks_belong_to_who_asked(self, sample: Path) -> None:
        """A block stays what it is when the bytes it was made of change, and changes nothing when it is written to."""
        rasters, _ = self.open(sample)
        for raster in rasters:
            table = raster.chunks(0)
            index = (0,) * len(raster.spec.axes)
            if table is None:
                box = Region(index, tuple(min(n, 8) for n in raster.spec.levels[0].shape))
                first = raster.read(0, box)
                kept = first.copy()
                first[...] = 0
                assert _same(raster.read(0, box), kept), "a block is shared with the next one who asks"
                continue
            cell = table.cell(index)
            data = None if cell is None else bytearray(raster.files[cell.file].pread(cell.offset, cell.nbytes))
            first = table.decode(index, data)
            kept = first.copy()
            if data is not None:
                data[:] = bytes(len(data))
            assert _same(first, kept), "a block changes with the bytes that it was decoded from"
            if first.flags.writeable:
                first[...] = 0
            assert _same(block(raster, table, index), kept), "a block is shared with the next one who asks"

    def test_freezes(self, sample: Path) -> None:
        """What is thawed gives the same descriptions and voxels, without a read; other bytes are a `ValueError`."""
        reader = type(self).reader()
        if not hasattr(reader, "freeze"):
            pytest.skip("the reader does not freeze")
        freezer = cast(Freezer, reader)
        rasters, file = self.open(sample)
        data = freezer.freeze(rasters)
        if data is None:
            pytest.skip("these rasters cannot be frozen")
        files: dict[str, SourceFile] = {f.source.path: f for raster in rasters for f in raster.files}
        before = len(file.notes.reads), len(file.notes.streams)
        thawed = freezer.thaw(data, files)
        assert (len(file.notes.reads), len(file.notes.streams)) == before, "thawing reads"
        assert [r.spec for r in thawed] == [r.spec for r in rasters], "another description after thawing"
        for old, new in zip(rasters, thawed, strict=True):
            assert [f.source for f in new.files] == [f.source for f in old.files], "other files after thawing"
            for number in range(len(old.spec.levels)):
                if _nbytes(old, number) <= LARGEST:
                    assert _same(voxels(new, number), voxels(old, number)), f"level {number}: other voxels"
        with pytest.raises(ValueError):  # noqa: PT011 - its words are the reader's own
            freezer.thaw(data[: len(data) // 2], files)

    def test_two_threads_read_the_same(self, sample: Path) -> None:
        """At once, from one raster."""
        rasters, _ = self.open(sample)
        small = [(r, n) for r in rasters[:4] for n in range(len(r.spec.levels)) if _nbytes(r, n) <= LARGEST // 4]
        if type(self).reader().lane != "thread":
            pytest.skip("the engine calls this reader from one thread at a time")
        alone = [voxels(raster, number) for raster, number in small]
        ready = threading.Barrier(2)

        def read() -> list[Block]:
            ready.wait(30)
            return [voxels(raster, number) for raster, number in small]

        with ThreadPoolExecutor(2) as pool:
            for found in [f.result() for f in [pool.submit(read), pool.submit(read)]]:
                for a, b in zip(found, alone, strict=True):
                    assert _same(a, b), "two threads at once read something else"

    def test_unknown_options_are_refused(self, sample: Path) -> None:
        """With a sentence that names the option."""
        options = {**self.options, "no_such_option": 1}
        with pytest.raises(Unsupported, match="no_such_option"):
            type(self).reader().open(Watched.open(sample), options)

    def test_cut_short(self, sample: Path, tmp_path: Path) -> None:
        """Every part of a file is refused, or read without an error; voxels are never made up for what is missing."""
        copy = _copied(sample, tmp_path)
        data = sample.read_bytes()
        for size in sorted({0, 1, 4, 16, 100, 512, *(len(data) * k // 9 for k in range(1, 9)), len(data) - 1}):
            if size < len(data):
                copy.write_bytes(data[:size])
                self._survives(copy, f"{size} of {len(data)} bytes")

    def test_damaged(self, sample: Path, tmp_path: Path) -> None:
        """Bits, numbers and pieces are wrong: `SourceError` or voxels, in bounded time."""
        copy = _copied(sample, tmp_path)
        data = sample.read_bytes()
        for seed in range(self.damaged):
            kind, wrong = mutated(data, seed)
            copy.write_bytes(wrong)
            self._survives(copy, f"damage {seed} ({kind})")

    def _survives(self, path: Path, what: str) -> None:
        file = Watched.open(path)
        began = time.monotonic()
        with _at_most(SECONDS, what):
            try:
                for raster in type(self).reader().open(file, dict(self.options)):
                    for number in range(len(raster.spec.levels)):
                        sampled(raster, number, 8)
            except SourceError as error:
                assert str(error).strip(), f"{what}: an error without a sentence"  # noqa: PT017 - the other way is none
            except BaseException as error:
                error.add_note(f"{what}: only a SourceError may be raised")
                raise
        assert time.monotonic() - began < SECONDS, f"{what}: took too long"
        assert file.notes.close_all() == 0, f"{what}: a file was left open"


class _TooLongException(BaseException):
    """Not to be caught by a reader."""


@contextmanager
def _at_most(seconds: float, what: str) -> Iterator[None]:
    """Fail if the body takes longer, even if it never comes back to us; where signals can be had."""

    def late(*_: object) -> None:
        raise _TooLongException

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TooLongException:
        raise AssertionError(f"{what}: took more than {seconds:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _check_grid(raster: Raster, number: int) -> None:
    level, table = raster.spec.levels[number], raster.chunks(number)
    if table is not None:
        assert len(table.block) == len(level.shape) and min(table.block) >= 1, f"level {number}: block {table.block}"
        assert tuple(level.block) == tuple(table.block), f"level {number}: blocks {level.block} and {table.block}"
        assert table.codec, f"level {number}: no codec"


def _nbytes(raster: Raster, number: int) -> int:
    return int(np.prod(raster.spec.levels[number].shape, dtype=object)) * raster.spec.dtype.itemsize


def _same(a: Block, b: np.ndarray[Any, np.dtype[Any]]) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _copied(sample: Path, folder: Path) -> Path:
    """The sample with what lies beside it, if that is little."""
    others = [p for p in sample.parent.rglob("*") if p.is_file()]
    if len(others) > 200 or sum(p.stat().st_size for p in others) > 16 << 20:
        others = [sample]
    for path in others:
        copy = folder / path.relative_to(sample.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return folder / sample.name

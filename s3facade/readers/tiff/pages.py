"""The pages of OME images: read from their files, checked for completeness, put in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

import tifffile

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.ome_xml import OmeImage
from s3facade.readers.tiff.guard import Opened
from s3facade.readers.tiff.stack import Stack

Opener = Callable[[SourceFile], AbstractContextManager[Opened]]
"""Opens a file through tifffile."""
Plan = dict[int, tuple[int, tuple[int, int]]]
"""By plane number: the file, and the IFD with how many planes follow from it (-1: all)."""


class ForeignMetadata(Exception):
    """The OME-XML does not describe this file; the message says why."""


def samples(image: OmeImage) -> int:
    """Samples per pixel of the channels of ``image``. Raises `Unsupported` if they differ."""
    counts = {c.samples or 1 for c in image.channels} or {1}
    if len(counts) > 1:
        raise Unsupported("The OME image mixes channels of different numbers of samples; it cannot be read.")
    n = counts.pop()
    if image.sizes["C"] % n:
        raise ForeignMetadata("The OME-XML states samples that do not divide the channels.")
    return n


class Pages:
    """Reads the IFDs that images need, file by file, each file open once per image."""

    def __init__(self, files: list[SourceFile], opener: Opener) -> None:
        self._files = files
        self._opener = opener

    def levels(self, image: OmeImage, plan: Plan) -> tuple[Stack, ...]:
        """The levels of ``image``, finest first.

        Raises:
            BadSource: Planes are missing.
            ForeignMetadata: The pages are of another size than the XML says.
        """
        by_file: dict[int, list[tuple[int, tuple[int, int]]]] = {}
        for number, (file, ifds) in sorted(plan.items()):
            by_file.setdefault(file, []).append((number, ifds))
        found: dict[int, tuple[int, list[Any]]] = {}
        for file, wanted in by_file.items():
            with self._opener(self._files[file]) as source:
                for number, pages in _load(source, wanted):
                    found[number] = (file, pages)
        if not found:
            raise ForeignMetadata("The OME-XML names no existing plane.")
        return _stacks(image, found)


def _load(source: Opened, wanted: list[tuple[int, tuple[int, int]]]) -> Iterator[tuple[int, list[Any]]]:
    """Plane number and its page with the pages of its smaller levels."""
    tif = source.tif
    pages = tif.pages
    first = wanted[0][1][0]
    total = len(pages)
    if first >= total:
        raise BadSource("The OME-XML names planes that its file does not have.", private=f"IFD {first} of {total}")
    pages.useframes = False
    pages.set_keyframe(first)
    pages.useframes = True
    keys: list[Any] = []
    _prime(pages.keyframe)
    for number, (ifd, count) in wanted:
        for i in range(total - ifd if count < 0 else count):
            if ifd + i >= total:
                break
            page = _page(pages, ifd + i, alike=source.alike)
            yield number + i, [page, *_reduced(tif, page, keys)]


def _page(pages: Any, index: int, *, alike: bool) -> Any:
    if alike:
        return pages[index]
    page = pages.get(index, aspage=True)
    _prime(page)
    return page


def _prime(key: Any) -> None:
    """Build the decoder while the file is open: tifffile looks at the first bytes of JPEG data for it."""
    with suppress(ValueError, NotImplementedError, KeyError):  # told when the table is built
        key.init_decode()


def _reduced(tif: Any, page: Any, keys: list[Any]) -> Iterator[Any]:
    """Pages of the smaller levels; ``keys`` keeps the keyframe of each."""
    for level, offset in enumerate(page.subifds or ()):
        if offset < 8:
            raise BadSource("A smaller level of the OME-TIFF has no place in its file.")
        tif.filehandle.seek(offset)
        index = (page.index, level + 1)
        if level == len(keys):
            keys.append(tifffile.TiffPage(tif, index))
            _prime(keys[level])
            yield keys[level]
        else:
            yield tifffile.TiffFrame(tif, index, keyframe=keys[level])


def _stacks(image: OmeImage, found: dict[int, tuple[int, list[Any]]]) -> tuple[Stack, ...]:
    key = next(iter(found.values()))[1][0].keyframe
    held = key.shaped[0] * key.shaped[4]
    stated = samples(image)
    if stated == 1 and held == image.sizes["C"]:
        stated = held  # RGB whose channels the XML counts one by one
    if held != stated:
        raise ForeignMetadata("The OME-XML states another number of samples than the file has.")
    planes = image.sizes["T"] * image.sizes["C"] * image.sizes["Z"] // stated
    count = max(1, planes // key.shaped[1])
    missing = [i for i in range(count) if i not in found]
    if missing:
        raise BadSource(
            f"The OME-TIFF lacks {len(missing)} of the {count} planes that its metadata describe.",
            private=f"first missing plane: {missing[0]}",
        )
    used = [found[i] for i in range(count)]
    depth = min(len(pages) for _, pages in used)
    levels = []
    for level in range(depth):
        pages = [p[level] for _, p in used]
        shaped = pages[0].keyframe.shaped
        if level == 0 and (shaped[2], shaped[3]) != (image.sizes["Y"], image.sizes["X"]):
            raise ForeignMetadata("The OME-XML states another size than the file has.")
        levels.append(Stack(*_axes(image, shaped, stated), pages, [f for f, _ in used]))
    return tuple(levels)


def _axes(image: OmeImage, shaped: tuple[int, ...], samples: int) -> tuple[str, tuple[int, ...]]:
    letters = image.order[:1:-1]
    sizes = [image.sizes[a] // (samples if a == "C" else 1) for a in letters]
    plane = "YX" if samples == 1 else "YXS" if shaped[4] > 1 else "SYX"
    if shaped[1] > 1 and (letters[-1] != "Z" or math.prod(sizes) % shaped[1]):
        raise ForeignMetadata("The OME-XML states another order of planes than the file has.")
    lengths = {"Y": shaped[2], "X": shaped[3], "S": samples}
    if plane == "SYX" and shaped[1] > 1:
        # separate samples lie outside of the volume
        letters, plane, lengths["Z"] = letters[:-1], "SZYX", sizes.pop()
    return letters + plane, (*sizes, *(lengths[a] for a in plane))

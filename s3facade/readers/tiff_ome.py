"""OME-TIFF: images whose planes lie in one or many files, put together by what the OME-XML says.

Done here and not by tifffile, which fills planes of missing files with zeros and ignores companion files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import tifffile

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.ome_xml import MAX_XML, OmeData, OmeDocument, OmeImage, parse_ome
from s3facade.readers.tiff_guard import Opened
from s3facade.readers.tiff_stack import Stack

Opener = Callable[[SourceFile], AbstractContextManager[Opened]]
"""Opens a file through tifffile."""


class ForeignMetadata(Exception):
    """The OME-XML does not describe this file; the message says why."""


@dataclass(frozen=True, slots=True)
class OmeStacks:
    """One OME image: its description, the levels, and where to ask for more about a page."""

    image: OmeImage
    levels: tuple[Stack, ...]


@dataclass(frozen=True, slots=True)
class OmeFiles:
    """A whole OME data set."""

    text: str
    images: tuple[OmeStacks, ...]
    files: tuple[SourceFile, ...]


@dataclass(slots=True)
class _Members:
    """The files of a data set by the names that the XML gives them."""

    files: list[SourceFile]
    own: set[str] = field(default_factory=set)
    """Names and UUIDs of the opened file."""
    index: dict[str, int] = field(default_factory=dict)

    def number(self, data: OmeData) -> int:
        """Which file ``data`` lies in.

        Raises:
            SourceNotFound: It does not exist.
        """
        name = data.file or ""
        if data.file is None or data.uuid in self.own or name.casefold() in self.own:
            return 0
        if name not in self.index:
            try:
                self.files.append(self.files[0].sibling(name))
            except SourceNotFound as error:
                raise SourceNotFound(
                    f"The OME-TIFF needs the file {name!r}, which does not exist.", private=error.explain()
                ) from error
            self.index[name] = len(self.files) - 1
        return self.index[name]


def read_text(file: SourceFile) -> str:
    """The text of an OME-XML file.

    Raises:
        Unsupported: It is larger than 16 MiB.
        BadSource: It is not UTF-8.
    """
    if file.source.size > MAX_XML:
        raise Unsupported(f"The OME-XML file has more than {MAX_XML >> 20} MiB; it is not parsed.")
    try:
        return bytes(file.pread(0, file.source.size)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSource("The OME-XML file is not UTF-8.", private=repr(error)) from error


def assemble(file: SourceFile, text: str, opener: Opener) -> OmeFiles:
    """Find every plane of the data set that ``file`` belongs to.

    Args:
        file: The opened TIFF or companion file.
        text: Its OME-XML.
        opener: Opens member files.

    Raises:
        SourceNotFound: A member or the metadata file is missing.
        BadSource: Planes are missing.
        ForeignMetadata: The XML is about something else.
    """
    document = _parse(file, text)
    files = [file]
    if document.metadata_file:
        try:
            files.append(file.sibling(document.metadata_file))
        except SourceNotFound as error:
            raise SourceNotFound(
                f"The OME-TIFF keeps its metadata in {document.metadata_file!r}, which does not exist.",
                private=error.explain(),
            ) from error
        own_uuid = document.uuid
        text, document = _metadata(files[1], opener)
    else:
        own_uuid = document.uuid
    members = _Members(files, _own(file, own_uuid, document))
    if len(files) > 1:
        members.index[PurePosixPath(files[1].source.path).name] = 1
    plans = [(image, _planes(image, members)) for image in document.images if image.data]
    if not plans:
        raise ForeignMetadata("The OME-XML names no planes.")
    is_tiff = not _is_xml(file)
    if is_tiff and not any(n == 0 for _, plan in plans for n, _ in plan.values()):
        raise ForeignMetadata("The OME-XML names no plane of this very file.")
    pages = _Pages(members.files, opener)
    return OmeFiles(text, tuple(OmeStacks(i, pages.levels(i, plan)) for i, plan in plans), tuple(members.files))


def _parse(file: SourceFile, text: str) -> OmeDocument:
    """The document; one that is damaged inside a TIFF says nothing about it."""
    try:
        return parse_ome(text)
    except BadSource as error:
        if _is_xml(file):
            raise
        raise ForeignMetadata(error.public) from error


def _is_xml(file: SourceFile) -> bool:
    return file.source.path.lower().endswith((".ome", ".xml"))


def _metadata(file: SourceFile, opener: Opener) -> tuple[str, OmeDocument]:
    """The metadata that a BinaryOnly file points to: a companion file, or another OME-TIFF."""
    if _is_xml(file):
        text = read_text(file)
    else:
        with opener(file) as source:
            text = source.tif.ome_metadata or ""
    document = parse_ome(text)
    if document.metadata_file:
        raise BadSource("The OME-TIFF's metadata file refers to yet another file.")
    return text, document


def _own(file: SourceFile, uuid: str | None, document: OmeDocument) -> set[str]:
    """The names under which the XML may know the opened file."""
    own = {PurePosixPath(file.source.path).name.casefold()} | ({uuid} if uuid else set())
    named = {(d.uuid, d.file) for i in document.images for d in i.data if d.file is not None}
    if len(named) == 1 and not _is_xml(file):
        # the only file of its data set, renamed since
        ((known, name),) = named
        try:
            file.sibling(str(name))
        except SourceNotFound:
            own |= {str(name).casefold()} | ({known} if known else set())
    return own


def _planes(image: OmeImage, members: _Members) -> dict[int, tuple[int, tuple[int, int]]]:
    """By plane number: the file, and the IFD with how many planes follow from it (-1: all)."""
    letters = image.order[:1:-1]
    sizes = [image.sizes[a] for a in letters]
    if "C" in letters:
        sizes[letters.index("C")] //= _samples(image)
    plan: dict[int, tuple[int, tuple[int, int]]] = {}
    for data in image.data:
        at = [data.first[a] for a in letters]
        if any(not 0 <= i < n for i, n in zip(at, sizes, strict=True)):
            continue  # ImageJ and Leica leave entries behind for planes that were cropped away
        number = 0
        for i, n in zip(at, sizes, strict=True):
            number = number * n + i
        plan[number] = (members.number(data), (data.ifd, -1 if data.count is None else data.count))
    return plan


def _samples(image: OmeImage) -> int:
    samples = {c.samples or 1 for c in image.channels} or {1}
    if len(samples) > 1:
        raise Unsupported("The OME image mixes channels of different numbers of samples; it cannot be read.")
    n = samples.pop()
    if image.sizes["C"] % n:
        raise ForeignMetadata("The OME-XML states samples that do not divide the channels.")
    return n


class _Pages:
    """Reads the IFDs that images need, file by file, each file open once per image."""

    def __init__(self, files: list[SourceFile], opener: Opener) -> None:
        self._files = files
        self._opener = opener

    def levels(self, image: OmeImage, plan: dict[int, tuple[int, tuple[int, int]]]) -> tuple[Stack, ...]:
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
    samples = key.shaped[0] * key.shaped[4]
    stated = _samples(image)
    if stated == 1 and samples == image.sizes["C"]:
        stated = samples  # RGB whose channels the XML counts one by one
    if samples != stated:
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

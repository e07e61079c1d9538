"""OME-TIFF: images whose planes lie in one or many files, put together by what the OME-XML says.

Done here and not by tifffile, which fills planes of missing files with zeros and ignores companion files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.region import place
from s3facade.readers.ome_xml import MAX_XML, OmeData, OmeDocument, OmeImage, parse_ome
from s3facade.readers.tiff.pages import ForeignMetadata, Opener, Pages, Plan, samples
from s3facade.readers.tiff.stack import Stack


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
    pages = Pages(members.files, opener)
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


def _planes(image: OmeImage, members: _Members) -> Plan:
    """By plane number: the file, and the IFD with how many planes follow from it (-1: all)."""
    letters = image.order[:1:-1]
    sizes = [image.sizes[a] for a in letters]
    if "C" in letters:
        sizes[letters.index("C")] //= samples(image)
    plan: Plan = {}
    for data in image.data:
        at = [data.first[a] for a in letters]
        if any(not 0 <= i < n for i, n in zip(at, sizes, strict=True)):
            continue  # ImageJ and Leica leave entries behind for planes that were cropped away
        plan[place(at, sizes)] = (members.number(data), (data.ifd, -1 if data.count is None else data.count))
    return plan

"""From arrays to an image: what all formats of folders share."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import AXES, Axis, Channel, Spec
from s3facade.readers.facts import UNITS, Grid, colours, level
from s3facade.readers.folders.array import FolderArray, FolderRaster, Placed

MAX_FOLDERS = 4096
"""Folders of chunks that an image watches for change."""
MAX_FAR = 16
"""The same where each look is a request."""
MAX_ALL = 16_384
"""Folders of chunks that all images of a source watch together."""
MIN_SHARE = 4
"""And how many each of them may watch in any case."""
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("t", "time", "times", "frame", "frames", "timepoint", "timepoints"), "t"),
    **dict.fromkeys(("c", "ch", "channel", "channels", "band", "bands", "s", "sample", "samples", "rgb", "rgba"), "c"),
    **dict.fromkeys(("z", "depth", "plane", "planes", "slice", "slices", "section", "sections"), "z"),
    **dict.fromkeys(("y", "row", "rows", "height", "lat", "latitude"), "y"),
    **dict.fromkeys(("x", "col", "cols", "column", "columns", "width", "lon", "longitude"), "x"),
}
_DEFAULT = {1: "x", 2: "yx", 3: "zyx", 4: "czyx", 5: "tczyx"}


@dataclass
class Files:
    """The files that images of one folder depend on, in the order in which they were met."""

    first: SourceFile
    """The one that was opened."""
    documents: list[SourceFile] = field(default_factory=list)
    """Of all images alike."""

    def raster_files(
        self, bases: Sequence[SourceFile], folders: Iterable[SourceFile]
    ) -> tuple[tuple[SourceFile, ...], dict[str, int]]:
        """`Raster.files` of an image, and where the ``bases`` are among them, by path."""
        found: dict[str, SourceFile] = {}
        for file in (self.first, *self.documents, *bases, *folders):
            found.setdefault(file.source.path, file)
        places = {path: i for i, path in enumerate(found)}
        return tuple(found.values()), places


def watchable(file: SourceFile, count: int = 1) -> int:
    """How many folders an image may watch that ``file`` belongs to, one of ``count`` of its source."""
    most = MAX_FOLDERS if file.source.path.startswith("/") else MAX_FAR
    return min(most, max(MIN_SHARE, MAX_ALL // count))


def folder_of(file: SourceFile) -> list[SourceFile]:
    """The folder of ``file``, in which documents may appear; nothing where folders cannot be looked at."""
    try:
        return [file.folder()]
    except SourceNotFound:
        return []


def folders_of_chunks(base: SourceFile, prefix: str, depth: int, room: int) -> tuple[list[SourceFile], bool]:
    """Folders that hold chunks, outermost first, and whether these are all of them.

    A chunk that is replaced by another file, or added, changes the folder that it lies in; so they are watched.

    Args:
        base: The document that ``prefix`` is relative to.
        prefix: Folder of the array with a final slash, or nothing.
        depth: Folders between that one and the chunks.
        room: How many there may be at most.
    """
    if getattr(base, "far", False):
        return [], False
    found: list[SourceFile] = []
    ahead = [prefix.rstrip("/")]
    for remaining in range(depth, -1, -1):
        if len(found) + len(ahead) > room:
            return found, False
        below: list[str] = []
        for name in ahead:
            try:
                found.append(base.folder(name))
                if remaining:
                    inside = [n[:-1] for n in base.names(name) if n.endswith("/") and (n[:-1].isdigit() or n == "c/")]
                    below += [f"{name}/{n}" if name else n for n in inside]
            except SourceNotFound:
                continue
            if len(found) + len(below) > room:
                return found, False
        ahead = below
    return found, True


def known_axis(name: str) -> str | None:
    """The axis that a dimension of this name is, whatever its case."""
    return _NAMES.get(name.lower())


def axes_of(
    option: object, names: Sequence[object], shape: Sequence[int], dtype_kind: str, itemsize: int
) -> tuple[tuple[str, ...], list[str]]:
    """The axis of each dimension, and notes on what was decided.

    Args:
        option: The option ``axes`` of the source, or None.
        names: What the file calls its dimensions, as far as it does.
        shape: Of the array.
        dtype_kind: Kind of its numbers.
        itemsize: Bytes of a number.

    Raises:
        Unsupported: The option does not fit, or nothing tells what the dimensions are.
    """
    count = len(shape)
    if option is not None:
        return _as_told(option, shape), []
    known = [known_axis(str(n)) for n in names]
    if len(known) == count and None not in known and len(set(known)) == count:
        return tuple(str(k) for k in known), []
    # Lengths of one say nothing, whatever they are called.
    long = [k for k in range(count) if shape[k] > 1]
    if len(known) == count and all(known[k] for k in long) and len({known[k] for k in long}) == len(long):
        dropped = [str(names[k]) for k in range(count) if k not in long and not known[k]]
        return tuple(str(known[k]) if k in long else "" for k in range(count)), [
            f"Dimensions of length 1 are left out: {', '.join(dropped) or 'those without a name'}."
        ]
    if count == 3 and shape[2] in {3, 4} and dtype_kind == "u" and itemsize == 1 and min(shape[:2]) > 8:
        return ("y", "x", "c"), ["The dimensions have no names; the last one is taken for colours."]
    if count not in _DEFAULT:
        raise Unsupported(
            f"The array has {count} dimensions that are not named; say what they are with the option `axes`, "
            "a letter of t, c, z, y, x for each."
        )
    if count == 2 and not any(names):
        return ("y", "x"), []
    told = "have no names" if not any(names) else f"are called {', '.join(map(str, names))}"
    return tuple(_DEFAULT[count]), [
        f"The dimensions {told}; they are taken for {', '.join(_DEFAULT[count])}. The option `axes` says it otherwise."
    ]


def _as_told(option: object, shape: Sequence[int]) -> tuple[str, ...]:
    if not isinstance(option, str) or not set(option) <= {*AXES, "-"}:
        raise Unsupported(f"The option `axes` is {option!r}; write a letter of t, c, z, y, x for each dimension.")
    if len(option) != len(shape):
        raise Unsupported(f"The option `axes` is {option!r}; the array has {len(shape)} dimensions: {tuple(shape)}.")
    return tuple("" if a == "-" else a for a in option)


def raster(
    files: Sequence[SourceFile],
    arrays: Sequence[FolderArray],
    placed: Sequence[Placed],
    physical: Collection[str],
    channels: Sequence[Channel],
    attrs: Mapping[str, object],
) -> FolderRaster:
    """An image of the arrays, its levels sorted by size.

    Args:
        files: As in `Raster.files`.
        arrays: One per level.
        placed: One per level.
        physical: Axes along which the source states a size in units of length or time.
        channels: As far as they are known.
        attrs: As in `Spec.attrs`.

    Raises:
        BadSource: The levels do not belong together.
    """
    both = sorted(zip(arrays, placed, strict=True), key=lambda pair: -math.prod(pair[0].stored.shape))
    arrays, placed = [a for a, _ in both], [p for _, p in both]
    first = arrays[0].stored
    for other in arrays[1:]:
        if other.stored.names != first.names or other.dtype != arrays[0].dtype:
            raise BadSource("The levels of the image differ in their axes or in the type of their numbers.")
        if any(a in "tc" and n != m for a, n, m in zip(first.names, first.shape, other.stored.shape, strict=True)):
            raise BadSource("The levels of the image differ in the number of their time points or channels.")
    names = first.names
    axes = tuple(Axis(a, UNITS.get(a) if a in physical else None) for a in names)
    base = [placed[0].scale.get(a, 1.0) for a in names], [placed[0].origin.get(a, 0.0) for a in names]
    levels = []
    for array, at in zip(arrays, placed, strict=True):
        guessed = level(Grid(array.stored.shape, array.stored.block), first.shape, tuple(base[0]), tuple(base[1]))
        scale = tuple(at.scale.get(a, g) for a, g in zip(names, guessed.scale, strict=True))
        origin = tuple(at.origin.get(a, g) for a, g in zip(names, guessed.origin, strict=True))
        levels.append(replace(guessed, scale=scale, origin=origin))
    count = first.shape[names.index("c")] if "c" in names else 1
    if not channels and "c" in first.dims[-1:] and count in {3, 4} and arrays[0].dtype.kind == "u":
        channels = colours(arrays[0].dtype, count)
    known = (*channels, *([Channel()] * count))[:count]
    said = {"codec": arrays[0].unpack.name, **attrs}
    return FolderRaster(Spec(axes, arrays[0].dtype, tuple(levels), known, attrs=said), tuple(files), tuple(arrays))

"""From the chunks of an ND2 file to described images: one per stage position."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel, Spec
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.facts import Facts, Grid, colours, described
from s3facade.readers.nd2 import meta
from s3facade.readers.nd2.chunks import Chunks, opened
from s3facade.readers.nd2.frames import Frame, frame, places, table
from s3facade.readers.nd2.loops import Loop, loops
from s3facade.readers.nd2.variant import inside, tree
from s3facade.readers.trees import integer, interval, original

MAX_FRAMES = 1 << 24


def images(file: SourceFile) -> Iterator[TableRaster]:
    """All images, in the order of positions. Raises `BadSource`, `Unsupported`."""
    chunks = opened(file)
    attributes = _tree(chunks, b"ImageAttributes", "SLxImageAttributes")
    if not attributes:
        raise BadSource("The ND2 file does not say how large its frames are: ImageAttributes is missing.")
    picture = _tree(chunks, b"ImageMetadataSeq", "SLxPictureMetadata", b"|0")
    about = frame(attributes, integer(inside(picture, "sPicturePlanes/uiCount")) or 1)
    stated = integer(attributes.get("uiSequenceCount")) or 0
    nested, notes = _nested(loops(_tree(chunks, b"ImageMetadata", "SLxExperiment")), stated)
    offsets, sizes = places(chunks, math.prod(n.count for n in nested))
    seconds = meta.times(chunks.data(b"CustomData|AcqTimesCache!"))
    yield from _split(file, about, nested, (offsets, sizes), picture, seconds, notes)


def _tree(chunks: Chunks, name: bytes, root: str, number: bytes = b"") -> Mapping[str, Any]:
    """Metadata in the chunk of the newer form, or of the older; empty if there is neither."""
    for full in (name + b"LV" + number + b"!", name + number + b"!"):
        data = chunks.data(full)
        if data:
            found = tree(data)
            found = found.get(root, found) if isinstance(found, Mapping) else found
            return found if isinstance(found, Mapping) else {}
    return {}


def _nested(found: list[Loop], stated: int) -> tuple[list[Loop], list[str]]:
    """The loops, and a note where they do not account for the frames. Raises `BadSource`."""
    count = math.prod(n.count for n in found)
    if max(count, stated) > MAX_FRAMES:
        raise BadSource(f"The ND2 file speaks of {max(count, stated)} frames; up to {MAX_FRAMES} are believed.")
    if not found and stated > 1:
        return [Loop("t", stated)], ["The file does not say what its frames follow; they are shown along t."]
    if count < stated:
        return found, [f"The file has {stated} frames, of which its loops describe {count}; the others are not shown."]
    return found, []


def _split(
    file: SourceFile,
    about: Frame,
    nested: list[Loop],
    where: tuple[Ints, Ints],
    picture: Mapping[str, Any],
    seconds: list[float],
    notes: list[str],
) -> Iterator[TableRaster]:
    shape = [n.count for n in nested]
    offsets, sizes = (np.asarray(a).reshape(shape) for a in where)
    times = np.array(seconds[: offsets.size]).reshape(shape) if len(seconds) >= offsets.size > 1 else None
    at = [k for k, n in enumerate(nested) if n.axis == "p"]
    rest = [n for n in nested if n.axis != "p"]
    points = [p for n in nested if n.axis == "p" for p in n.points] if len(at) == 1 else []
    any_ = False
    for place in np.ndindex(*(shape[k] for k in at)):
        pick = tuple(place[at.index(k)] if k in at else slice(None) for k in range(len(shape)))
        there, length = offsets[pick], sizes[pick]
        kept = _complete(length, len(rest))
        told = list(notes)
        if kept == 0:
            continue
        any_ = True
        if rest and kept < rest[0].count:
            told.append(
                f"Recording ended early: {kept} of {rest[0].count} steps along {rest[0].axis} are complete and shown."
            )
        part = slice(kept) if rest else Ellipsis
        stamps = None if times is None else times[pick][part]
        counts = [kept, *(n.count for n in rest[1:])] if rest else []
        dims = [n.axis for n in rest]
        found = table(file, about, dims, counts, there[part].reshape(-1), length[part].reshape(-1))
        spec = _described(
            found.stored, found.codec, about, rest, picture, stamps, told, points[place[0]] if points else {}
        )
        yield TableRaster(spec, (file,), (found,))
    if not any_:
        raise BadSource("The ND2 file holds no complete image: frames that it speaks of are missing.")


def _complete(length: Ints, rest: int) -> int:
    """How many steps of the outermost loop have all their frames; 1 or 0 where there is no loop."""
    whole = np.asarray((length > 0).reshape(length.shape[0] if rest else 1, -1).all(1))
    return int(np.argmin(whole)) if not whole.all() else len(whole)


def _described(
    stored: Any,
    codec: str,
    about: Frame,
    rest: list[Loop],
    picture: Mapping[str, Any],
    stamps: Any,
    notes: list[str],
    point: Mapping[str, Any],
) -> Spec:
    scale: dict[str, float] = {}
    size = meta.pixel_size(picture)
    if size is not None:
        scale.update(x=size, y=size)
    for axis in "tz":
        steps = [n.step for n in rest if n.axis == axis]
        if len(steps) == 1 and steps[0] is not None:
            scale[axis] = steps[0]
    attrs = {**meta.attributes(picture), **original(dict(picture)), "codec": codec}
    names = [n.axis for n in rest]
    if stamps is not None and names.count("t") == 1 and stored.shape[stored.names.index("t")] > 1:
        # of each time point, the first frame
        first_frames = np.moveaxis(stamps, names.index("t"), 0).reshape(stamps.shape[names.index("t")], -1)[:, 0]
        attrs["times"] = [{"t": k, "seconds": float(s)} for k, s in enumerate(first_frames)]
        regular = interval(first_frames.tolist())
        if regular is not None:
            scale["t"] = regular
        else:
            scale.pop("t", None)
    if point:
        attrs["positions"] = [{("z_position" if k == "z" else k): v for k, v in point.items() if k != "name"}]
        if "name" in point:
            attrs["name"] = point["name"]
    if notes:
        attrs["notes"] = notes
    facts = Facts({a: s for a, s in scale.items() if a in stored.names}, {}, _channels(picture, about), attrs)
    return described(stored.names, about.number.newbyteorder("="), [Grid(stored.shape, stored.block)], facts)


def _channels(picture: Mapping[str, Any], about: Frame) -> tuple[Channel, ...]:
    if about.samples > 1:
        return colours(about.number.newbyteorder("="), about.samples, about.bits) * about.channels
    known = meta.channels(picture)
    return known if len(known) == about.channels else ()

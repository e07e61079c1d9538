"""GIF (GIF89a): frames along t."""

from __future__ import annotations

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.chunked import MAX_CELL
from s3facade.readers.pictures.picture import Picture
from s3facade.readers.pictures.probe import probe
from s3facade.readers.pictures.window import Window

_MAX_FRAMES = 20_000


def gif(file: SourceFile, window: Window) -> Picture:
    """A GIF's frames as they are shown one after the other, each laid over the ones before.

    Raises:
        BadSource: The file is damaged.
        Unsupported: More frames than can be decoded at once.
    """
    width, height = window.number(6, 2, "little"), window.number(8, 2, "little")
    delays = _frames(window)
    if not delays or not width or not height:
        raise BadSource(f"The GIF states {width} x {height} pixels and has {len(delays)} frames.")
    if width * height * 4 * len(delays) > MAX_CELL:
        raise Unsupported(
            f"The GIF has {len(delays)} frames of {width} x {height} pixels and can be decoded whole only; "
            f"more than {MAX_CELL >> 20} MiB cannot be."
        )
    shape, dtype = probe(file, "gif")
    scale, attrs = {}, {}
    if len(shape) == 4 and shape[0] == len(delays):
        if min(delays) == max(delays) > 0:
            scale = {"t": delays[0] / 100}
        elif max(delays) > 0:
            starts = [sum(delays[:k]) / 100 for k in range(len(delays))]
            attrs = {"times": [{"t": k, "c": 0, "z": 0, "seconds": s} for k, s in enumerate(starts)]}
    note = "The colours of the palette are shown, each frame laid over the ones before it."
    return Picture(shape, dtype, "gif", scale=scale, attrs=attrs, notes=[note])


def _frames(window: Window) -> list[int]:
    """For how many hundredths of a second each frame is shown."""
    flags = window(10, 1)[0]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    delays: list[int] = []
    delay = 0
    for _ in range(4 * _MAX_FRAMES):
        kind = window(at, 1)
        if kind == b"\x3b":
            return delays
        if kind == b"!":
            if window(at + 1, 1) == b"\xf9" and window(at + 2, 1) == b"\x04":
                delay = window.number(at + 4, 2, "little")
            at = _blocks(window, at + 2)
        elif kind == b",":
            local = window(at + 9, 1)[0]
            at = _blocks(window, at + 11 + (3 << (local & 7) + 1 if local & 0x80 else 0))
            delays.append(delay)
            if len(delays) > _MAX_FRAMES:
                break
        else:
            raise BadSource("The GIF is damaged: a block is of no known kind.", private=f"{kind!r} at {at}")
    raise Unsupported(f"The GIF has more than {_MAX_FRAMES} frames.")


def _blocks(window: Window, at: int) -> int:
    """Where a chain of blocks ends."""
    while size := window(at, 1)[0]:
        at += size + 1
    return at + 1

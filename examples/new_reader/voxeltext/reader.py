"""VoxelText: volumes whose header is text and whose numbers follow it, plain.

    VOXELTEXT 1
    size: 8 6 4
    type: uint16
    voxel: 0.5 0.5 2
    channels: DAPI GFP
    end

Sizes and voxel sizes (µm) are in the order x, y, z; numbers are little-endian, x fastest, channels slowest.
"""

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.facts import Facts, Grid, described

MAGIC = b"VOXELTEXT 1\n"
LONGEST = 4096
TYPES = ("uint8", "uint16", "int16", "float32")
FREEZING = Freezing()


class VoxelTextReader:
    """Files called ``.vtx``. Options: ``channels``, names instead of those of the file."""

    name = "voxeltext"
    version = 1
    lane = "thread"
    suffixes = frozenset({".vtx"})

    def sniff(self, head, name):
        return head.startswith(MAGIC)

    def open(self, file, options):
        unknown = set(options) - {"channels"}
        if unknown:
            raise Unsupported(f"The reader of VoxelText has no option {min(unknown)!r}; it takes `channels`.")
        fields, start = header(file)
        x, y, z = numbers(fields, "size", int)
        if fields.get("type") not in TYPES:
            raise Unsupported(f"VoxelText of type {fields.get('type')!r} cannot be shown; use {', '.join(TYPES)}.")
        number = np.dtype(fields["type"]).newbyteorder("<")
        names = options.get("channels", fields.get("channels", "").split()) or [None]
        table = raw("czyx", (len(names), z, y, x), number, start, end=[file.source.size])
        scale = dict(zip("xyz", numbers(fields, "voxel", float), strict=True)) if "voxel" in fields else {}
        facts = Facts(
            scale=scale,
            channels=[Channel(name) for name in names],
            attrs={"codec": table.codec, "original": fields},
        )
        stored = table.stored
        spec = described(stored.names, table.dtype, [Grid(stored.shape, stored.block)], facts)
        return [TableRaster(spec, (file,), (table,))]

    def freeze(self, rasters):
        return FREEZING.freeze(rasters)

    def thaw(self, data, files):
        return FREEZING.thaw(data, files)


def header(file):
    """The fields of the header by name, and where the numbers begin: one read, whatever the size of the file."""
    head = bytes(file.pread(0, min(LONGEST, file.source.size)))
    text, end, _ = head.removeprefix(MAGIC).partition(b"\nend\n")
    if not head.startswith(MAGIC) or not end:
        raise BadSource(f"The header does not end with a line 'end' within {LONGEST} bytes.")
    try:
        lines = [line.split(": ", 1) for line in text.decode("ascii").split("\n")]
        return dict(lines), len(MAGIC) + len(text) + len(end)
    except ValueError as error:
        raise BadSource("The header has a line that is no 'name: value' in ASCII.", private=repr(error)) from error


def numbers(fields, name, kind):
    """The three numbers of a field, x, y, z."""
    try:
        found = [kind(word) for word in fields[name].split()]
    except (KeyError, ValueError) as error:
        raise BadSource(f"The field {name!r} is missing or holds something else than numbers.") from error
    if len(found) != 3 or not all(0 < n < 1e9 for n in found):
        raise BadSource(f"The field {name!r} is {fields[name]!r}; it must be three positive numbers.")
    return found

"""The other side of the process lane: reads what it is asked for, until its input ends."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, BinaryIO, cast

import numpy as np

from s3facade.core.errors import FacadeError, SourceChanged
from s3facade.core.image import Source
from s3facade.core.protocols import Freezer, Raster, Reader
from s3facade.core.region import Region, cells
from s3facade.engine import lanes
from s3facade.engine.isolated import PORTABLE, others
from s3facade.stores.local import LocalFile

_OPEN = 16
"""Files that are kept open."""
_LIBRARIES = 2 << 30
"""Address space that the interpreter and its libraries take before any image."""

_rasters: OrderedDict[str, Sequence[Raster]] = OrderedDict()


def main(arena: int, memory: int) -> int:
    """Answer requests from standard input on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory + _LIBRARIES, memory + _LIBRARIES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Shared memory is a file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get between the answers.
    os.dup2(2, 1)
    while head := _exactly(requests, 8):
        body = _exactly(requests, int.from_bytes(head, "little"))
        request = json.loads(body)
        # The kernel ends it, whatever a library is at then: the server that would do so may be gone.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        data = PORTABLE.dump(_answer(request, arena))
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(len(data).to_bytes(8, "little") + data)
        answers.flush()
    return 0


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    return data if len(data) == size else b""


def _answer(request: dict[str, Any], arena: int) -> object:
    try:
        if request["do"] == "open":
            rasters = _opened(request, {})
            return ("done", [(r.spec, [f.source for f in r.files]) for r in rasters], 0)
        if request["do"] == "parse":
            return ("done", _parsed(request), 0)
        region = Region(*map(tuple, request["region"]))
        block = _read(_known(request)[request["series"]], request["level"], region)
        if block.nbytes > os.fstat(arena).st_size:
            os.ftruncate(arena, block.nbytes)
        os.pwrite(arena, np.ascontiguousarray(block).data, 0)
    except FacadeError as error:
        return ("error", type(error).__name__, error.public, error.private)
    except Exception as error:  # noqa: BLE001 - whatever a library does ends this request only
        return ("error", type(error).__name__, "", str(error))
    return ("done", (block.dtype, block.shape), block.nbytes)


def _parsed(request: dict[str, Any]) -> object:
    """The images frozen, and what was asked for; what cannot be frozen is described, to be read here."""
    asked: dict[str, Source | None] = {}
    rasters = _fresh(request, asked)
    freezer = cast(Freezer, _reader(request))
    frozen = freezer.freeze(rasters)
    if frozen is not None:
        return (frozen, (), asked)
    _keep(request, rasters)
    return (None, [(r.spec, [f.source for f in r.files], freezer.freeze([r])) for r in rasters], asked)


def _known(request: dict[str, Any]) -> Sequence[Raster]:
    """The images of a file that was opened here, or by another process like this one."""
    name = _called(request, request["members"])
    rasters = _rasters.get(name)
    if rasters is None:
        rasters = _opened(request, {})
        if name not in _rasters:
            raise SourceChanged("A file that the image depends on has changed; ask again.", private=str(request))
    _rasters.move_to_end(name)
    return rasters


def _opened(request: dict[str, Any], asked: dict[str, Source | None]) -> Sequence[Raster]:
    """The images of a file as it is now, kept to be read."""
    rasters = _fresh(request, asked)
    _keep(request, rasters)
    return rasters


def _fresh(request: dict[str, Any], asked: dict[str, Source | None]) -> Sequence[Raster]:
    return lanes.opened(_reader(request), LocalFile(Source(*request["source"]), asked), request["options"])


def _keep(request: dict[str, Any], rasters: Sequence[Raster]) -> None:
    _rasters[_name(request, rasters)] = rasters
    while len(_rasters) > _OPEN:
        _rasters.popitem(last=False)


def _reader(request: dict[str, Any]) -> Reader:
    module, qualname = request["reader"]
    found: Reader = getattr(importlib.import_module(module), qualname)()
    return found


def _name(request: dict[str, Any], rasters: Sequence[Raster]) -> str:
    every = [f.source for r in rasters for f in r.files]
    return _called(request, others(Source(*request["source"]), every))


def _called(request: dict[str, Any], members: str) -> str:
    return json.dumps([request["reader"], request["source"], request["options"], members], sort_keys=True)


def _read(raster: Raster, level: int, region: Region) -> np.ndarray[Any, Any]:
    """A region by the reader's own way, or put together from its chunks."""
    table = raster.chunks(level)
    if table is None:
        return raster.read(level, region)
    out = np.empty(region.shape, raster.spec.dtype)
    for index, unclipped in cells(region, table.block):
        cell = table.cell(index)
        data = None if cell is None else raster.files[cell.file].pread(cell.offset, cell.nbytes)
        box = unclipped.clip(raster.spec.levels[level].shape)
        part = box.intersect(region)
        out[part.slices(region.start)] = table.decode(index, data)[part.slices(box.start)]
    return out


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))

"""A reader that does to its process whatever its options say."""

from __future__ import annotations

import ctypes
import os
import stat
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec


def _is_pipe(fd: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False


class RecklessRaster:
    def __init__(self, file: object, options: Mapping[str, object]) -> None:
        self.files = (file,)
        self.options = options
        level = Level((100, 100), (1.0, 1.0), (0.0, 0.0), (64, 64))
        self.spec = Spec((Axis("y"), Axis("x")), np.dtype("u2"), (level,), attrs={"pid": os.getpid()})

    def chunks(self, level: int) -> None:
        return None

    def read(self, level: int, region: Region) -> np.ndarray:
        what = self.options["do"]
        if what == "segfault":
            ctypes.string_at(0)
        elif what == "abort":
            os.abort()
        elif what == "exit":
            os._exit(3)
        elif what == "memory":
            np.ones(8 << 30, np.uint8)
        elif what == "sleep":
            time.sleep(self.options["seconds"])
        elif what == "print":
            os.write(1, b"noise of a library")
            print("more of it", flush=True)  # noqa: T201 - what libraries do
        elif what == "say":
            answer = bytes.fromhex(self.options["answer"])
            pipes = [int(n) for n in os.listdir("/proc/self/fd") if int(n) > 2 and _is_pipe(int(n))]
            for pipe in pipes:
                os.write(pipe, answer)
        elif what == "bug":
            return 1 // 0
        y, x = (np.arange(a, b) for a, b in zip(region.start, region.stop, strict=True))
        return np.add.outer(y, x).astype(np.uint16)


class RecklessReader:
    name: ClassVar[str] = "reckless"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "process"

    def sniff(self, head: bytes, name: str) -> bool:
        return False

    def open(self, file: object, options: Mapping[str, object]) -> Sequence[RecklessRaster]:
        if options["do"] == "refuse":
            raise Unsupported("It shows the colours of the north.")
        return [RecklessRaster(file, options)]

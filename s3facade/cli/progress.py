"""How far a long command has come: a bar on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from s3facade.engine.needs import told

OFTEN, SELDOM = 0.2, 30.0
"""Seconds between two looks of the bar, and between two lines."""
BAR = 20


class Progress:
    """Told what was done; shows it on ``stream``.

    Args:
        total: Bytes of original voxels that have to be read.
        stream: Standard error by default.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.done = 0
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._begun = self._shown = time.monotonic()
        self._width = 0

    @property
    def seconds(self) -> float:
        """Since the start."""
        return max(time.monotonic() - self._begun, 1e-6)

    def show(self, what: str, *, now: bool = False) -> None:
        """Say how far it is with ``what``, unless it was said a moment ago."""
        moment = time.monotonic()
        if moment - self._shown < (OFTEN if self._terminal else SELDOM) and not now:
            return
        self._shown = moment
        line = self.line(what)
        if self._terminal:
            line = line[: shutil.get_terminal_size().columns - 1]
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def line(self, what: str) -> str:
        """Part done, bytes, rate, time left."""
        part = min(self.done / self.total, 1.0) if self.total else 1.0
        filled = int(part * BAR)
        rate = self.done / self.seconds
        left = f", {duration((self.total - self.done) / rate)} left" if rate and part < 1 else ""
        bar = f"[{'#' * filled}{'.' * (BAR - filled)}] " if self._terminal else ""
        return f"{bar}{part:4.0%}  {told(self.done)} of {told(self.total)}, {told(int(rate))}/s{left}  {what}"

    def clear(self) -> None:
        """Take the bar away, so that something else can be printed."""
        if self._terminal and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


def duration(seconds: float) -> str:
    """Seconds as people say it: two units at most."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

"""The process lane: readers that may crash, hang or hold the interpreter lock, in processes that may be killed.

A process reads one region at a time, for one caller. What it reads comes back through shared memory; descriptions come
as `s3facade.core.portable` data, so that a process taken over by a malicious file cannot run code in the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from s3facade.core import errors
from s3facade.core.errors import BadSource, FacadeError, LoadError, SourceError, TimedOut
from s3facade.core.identity import digest
from s3facade.core.image import Source
from s3facade.core.operators import Block
from s3facade.core.portable import Portable
from s3facade.core.protocols import ChunkTable, Reader, SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.stores import files

PORTABLE = Portable([Spec, Axis, Channel, Level, Source])
POISONED = 60.0
"""Seconds for which a file that has just crashed its reader is refused without another try."""
HUNG = 600.0
"""Seconds for which one is refused that could not be opened within the deadline, though it had a process to itself."""
_START = 30.0
"""Seconds that a process may take to import its reader."""
_GRACE = 5.0
"""Seconds after which a process ends by itself that nobody has ended in time: the server may have been killed."""
_MOST = 64 << 20
"""Bytes of a description: whatever a damaged process sends, the server does not take more. Tables of chunks may take as
much as a process."""
_LARGE = 16 << 20
"""Bytes of shared memory that an idle process may go on holding."""


class Parsed(NamedTuple):
    """What a reader found in a file, in another process."""

    frozen: bytes | None
    """All images, for `Freezer.thaw`; None if they cannot be frozen together."""
    rasters: list[IsolatedRaster | bytes]
    """In that case, each of them: frozen, or read in that process."""
    asked: dict[str, Source | None]
    """Other files that the reader asked for, by path; None for those that there were not."""


class Lane:
    """At most ``processes`` processes, started when they are needed and again after a crash. Thread-safe.

    Args:
        processes: How many.
        deadline: Seconds that one call may take; then its process is killed.
        memory: Bytes of address space that a process may take beyond what its libraries need.
    """

    def __init__(self, processes: int, deadline: float, memory: int) -> None:
        self._deadline = deadline
        self._memory = memory
        self._free = threading.Semaphore(processes)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._closed = False
        self._owner = os.getpid()
        self._others: list[_Process] = []
        """Of the process that this one was forked from: not ours to talk to, or to end."""
        self._poisoned: dict[tuple[str, str], tuple[float, bool]] = {}
        """By path and tag: until when a file is refused, and whether opening it hangs; else it crashes."""

    def open(self, source: Source, reader: Reader, options: Mapping[str, object]) -> list[IsolatedRaster]:
        """The images of a file. Raises `SourceError`, also where the reader crashes, and `LoadError`."""
        here = files.on_disk(source)
        job = _job(reader, here, options)
        described, _ = self._call({**job, "do": "open"}, 0)
        job["members"] = others(here, [m for _, members in described for m in members])
        return [
            IsolatedRaster(self, source, job, i, spec, [source if member == here else member for member in members])
            for i, (spec, members) in enumerate(described)
        ]

    def parse(self, source: Source, reader: Reader, options: Mapping[str, object]) -> Parsed:
        """What the reader finds in a file of this machine, to be thawed here. Raises as `open`."""
        job = _job(reader, source, options)
        answer, _ = self._call({**job, "do": "parse"}, 0)
        try:
            frozen, described, asked = answer
            job["members"] = others(source, [m for _, members, _ in described for m in members])
            rasters = [
                IsolatedRaster(self, source, job, i, spec, members) if one is None else one
                for i, (spec, members, one) in enumerate(described)
            ]
            return Parsed(frozen, rasters, dict(asked))
        except (ValueError, TypeError, AttributeError) as error:
            raise nonsense(source.path, error) from error

    def read(self, job: Mapping[str, Any], series: int, level: int, region: Region, dtype: np.dtype[Any]) -> Block:
        """Voxels of a region, read-only. Raises as `open`."""
        request = {**job, "do": "read", "series": series, "level": level, "region": [region.start, region.stop]}
        _, data = self._call(request, region.size * dtype.itemsize)
        block = np.frombuffer(data, dtype).reshape(region.shape)
        block.flags.writeable = False
        return block

    def rest(self) -> None:
        """End the processes that are idle; the next call starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def close(self) -> None:
        """End the processes that are idle now, and those at work when they have done it."""
        self._closed = True
        self.rest()

    def _call(self, request: Mapping[str, Any], nbytes: int) -> tuple[Any, bytearray]:
        path, etag = request["source"][0], request["source"][3]
        refused = self._poisoned.get((path, etag))
        if refused is not None and time.monotonic() < refused[0]:
            raise _hangs(path) if refused[1] else _crashed(path, "it did so less than a minute ago")
        until = time.monotonic() + self._deadline
        if not self._free.acquire(timeout=self._deadline):
            raise _late(path)
        begun = time.monotonic()
        try:
            return self._tried(request, nbytes, until)
        except _Died as died:
            self._poison(path, etag, POISONED, hangs=False)
            raise _crashed(path, str(died)) from None
        except TimeoutError:
            if request["do"] == "read" or until - begun < self._deadline / 2:
                raise _late(path) from None
            # Who asks again and again would keep a process from all other files.
            self._poison(path, etag, HUNG, hangs=True)
            raise _hangs(path) from None
        finally:
            self._free.release()

    def _poison(self, path: str, etag: str, seconds: float, *, hangs: bool) -> None:
        now = time.monotonic()
        self._poisoned = {k: v for k, v in self._poisoned.items() if now < v[0]}
        self._poisoned[path, etag] = (now + seconds, hangs)

    def _tried(self, request: Mapping[str, Any], nbytes: int, until: float) -> tuple[Any, bytearray]:
        """The answer of an idle process, or of a new one: an idle one may have been killed before it was asked."""
        process = self._idle_one()
        if process is not None:
            with contextlib.suppress(_Died):
                return self._asked(process, request, nbytes, until)
        return self._asked(_Process(self._memory), request, nbytes, until)

    def _asked(self, process: _Process, request: Mapping[str, Any], nbytes: int, until: float) -> tuple[Any, bytearray]:
        try:
            answer = process.call(request, nbytes, until)
        except FacadeError:
            self._give_back(process)
            raise
        except BaseException:
            process.end()
            raise
        self._give_back(process)
        return answer

    def _idle_one(self) -> _Process | None:
        with self._lock:
            if self._owner != os.getpid():
                self._others, self._idle, self._owner = self._idle, [], os.getpid()
            while self._idle:
                process = self._idle.pop()
                if process.alive:
                    return process
                process.end()
        return None

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(process)
                return
        process.end()


class IsolatedRaster:
    """An image whose reader runs in the process lane."""

    def __init__(
        self, lane: Lane, source: Source, job: Mapping[str, Any], series: int, spec: Spec, members: Sequence[Source]
    ) -> None:
        self.spec = spec
        self.files: Sequence[SourceFile] = tuple(map(files.file, members))
        self._lane = lane
        self._source = source
        self._job = job
        self._series = series

    def chunks(self, level: int) -> ChunkTable | None:  # noqa: ARG002 - the seam
        """None: decoding is what may crash."""
        return None

    def read(self, level: int, region: Region) -> Block:
        """Voxels of ``region``, read-only."""
        # The copy of a remote file may have had to make room for others meanwhile.
        job = {**self._job, "source": _about(files.on_disk(self._source))}
        return self._lane.read(job, self._series, level, region, self.spec.dtype)


class _Died(Exception):
    """The process ended instead of answering."""


class _Process:
    """A child that reads, its pipes, and the memory that it shares."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._arena = os.memfd_create("s3facade-isolated")
        command = [sys.executable, "-m", "s3facade.engine.isolated_child", str(self._arena), str(memory)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[self._arena], env=environment, bufsize=0
        )
        self._begun = False

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def call(self, request: Mapping[str, Any], nbytes: int, until: float) -> tuple[Any, bytearray]:
        """Have it do something: what it tells, and ``nbytes`` bytes of voxels. It is not trusted to give these.

        Raises `_Died`, `TimeoutError` and what the reader raises.
        """
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None  # noqa: S101 - asked for above
        assert stdout is not None  # noqa: S101
        if not self._begun:
            until, self._begun = max(until, time.monotonic() + _START), True
        data = json.dumps({**request, "seconds": max(until - time.monotonic(), 0) + _GRACE}).encode()
        try:
            stdin.write(len(data).to_bytes(8, "little") + data)
            size = int.from_bytes(self._read(stdout.fileno(), 8, until), "little")
            if size > (max(_MOST, self._memory) if request["do"] == "parse" else _MOST):
                raise _Died("its answer is too large")
            kind, *told = PORTABLE.load(self._read(stdout.fileno(), size, until))
            if kind != "error":
                answer, given = told
                if given != nbytes:
                    raise _Died(f"it gave {given} bytes instead of {nbytes}")
                return answer, self._shared(nbytes)
            raised = _raised(*told)
        except (BrokenPipeError, EOFError):
            self.end()
            raise _Died(_reason(self._child.returncode)) from None
        except (ValueError, TypeError) as error:
            raise _Died(f"its answer makes no sense: {error}") from None
        raise raised

    def _shared(self, nbytes: int) -> bytearray:
        """What it has put into the shared memory. Not mapped: it may take it away while it is read."""
        data = bytearray(nbytes)
        done = 0
        while done < nbytes:
            n = os.preadv(self._arena, [memoryview(data)[done:]], done)
            if not n:
                raise _Died("it shared less than it said")
            done += n
        if nbytes > _LARGE:
            os.ftruncate(self._arena, 0)
        return data

    @staticmethod
    def _read(fd: int, size: int, until: float) -> bytes:
        parts = []
        # Not select: it knows no descriptors beyond 1,023, and a server has more.
        ready = select.poll()
        ready.register(fd, select.POLLIN)
        while size:
            if not ready.poll(max(until - time.monotonic(), 0) * 1000):
                raise TimeoutError
            data = os.read(fd, min(size, 1 << 20))
            if not data:
                raise EOFError
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        # One that waits for a dead disk or network share ends when that answers; it is collected later then.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(1.0)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._arena >= 0:
            os.close(self._arena)
            self._arena = -1


def _job(reader: Reader, source: Source, options: Mapping[str, object]) -> dict[str, Any]:
    kind = type(reader)
    return {"reader": [kind.__module__, kind.__qualname__], "source": _about(source), "options": dict(options)}


def _about(source: Source) -> list[Any]:
    return [source.path, source.size, source.modified, source.etag]


def others(source: Source, members: Iterable[Source]) -> str:
    """Names what images depend on beside the opened file: a process that knows it otherwise opens the file anew."""
    return digest("members", sorted({(m.path, m.etag) for m in members if m.path != source.path}))


def nonsense(path: str, error: Exception) -> BadSource:
    """For answers that are none: the process may have been taken over, or its memory be damaged."""
    return _crashed(path, f"its answer makes no sense: {error}")


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with status {code}"


def _crashed(path: str, how: str) -> BadSource:
    return BadSource("The reader of this file crashes on it; the file may be damaged.", private=f"{path}: {how}")


def _hangs(path: str) -> BadSource:
    return BadSource(
        "Opening the source file takes longer than the server allows; it may be damaged, or its disk be slow.",
        private=path,
    )


def _late(path: str) -> TimedOut:
    return TimedOut("Reading the source file takes too long; try again.", private=path)


def _raised(name: str, public: str, private: str) -> FacadeError:
    """The error that the reader raised in the other process."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, SourceError | LoadError):
        return kind(public, private=private)
    return BadSource("The reader failed on this file; it may be damaged.", private=f"{name}: {private}")

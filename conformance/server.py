"""A server process under test: started on a free port, watched from outside, stopped and checked."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def tree(pid: int) -> list[int]:
    """``pid`` and every living process below it."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found.extend(parents.get(parent, ()))
    return found


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(pid: int) -> float:
    """User and system time that ``pid`` and its descendants have used so far."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pid: int) -> int:
    """Bytes of RAM that ``pid`` and its descendants hold, shared pages counted once (PSS)."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


class Facade:
    """A running ``s3facade serve``.

    Attributes:
        port: Where it listens on 127.0.0.1.
        url: ``http://127.0.0.1:PORT``.
        log: File with all that it printed.
        started: `time.perf_counter` when the process was started.
    """

    def __init__(self, *args: str | Path, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        command = [sys.executable, "-m", "s3facade", "serve", *map(str, args), "--port", str(self.port)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        with log.open("wb") as out:
            self.started = time.perf_counter()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": path, **(env or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the parent of all its processes."""
        return self.process.pid

    def wait(self, timeout: float = 60) -> None:
        """Return once ``/-/healthz`` answers 200.

        Raises:
            RuntimeError: The process ended, or did not answer in ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server exited with {self.process.returncode}:\n{self.tail()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                try:
                    connection.request("GET", "/-/healthz")
                    if connection.getresponse().status == 200:
                        return
                finally:
                    connection.close()
            time.sleep(0.02)
        raise RuntimeError(f"no answer from /-/healthz in {timeout} s:\n{self.tail()}")

    def tail(self, lines: int = 40) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, timeout: float = 15) -> None:
        """Ask it to end as an operator would, and check that it does, with everything it started.

        Raises:
            RuntimeError: It had to be killed, ended with an error, or left a process behind.
        """
        family = tree(self.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._kill(family)
            raise RuntimeError(f"the server did not end {timeout} s after SIGTERM:\n{self.tail()}") from None
        end = time.monotonic() + 3
        while (left := [pid for pid in family if alive(pid)]) and time.monotonic() < end:
            time.sleep(0.05)
        if left:
            self._kill(left)
            raise RuntimeError(f"the server left processes behind: {left}:\n{self.tail()}")
        if code != 0:
            raise RuntimeError(f"the server exited with {code} after SIGTERM:\n{self.tail()}")

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(5)


@contextlib.contextmanager
def serving(*args: str | Path, log: Path, env: Mapping[str, str] | None = None) -> Iterator[Facade]:
    """A server that is up inside the block and has ended cleanly behind it."""
    facade = Facade(*args, log=log, env=env)
    try:
        facade.wait()
        yield facade
    except BaseException:
        with contextlib.suppress(RuntimeError):
            facade.stop()
        raise
    facade.stop()

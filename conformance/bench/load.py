"""Bounded load on loopback by wrk, counted against the CPU time of the server's own processes."""

from __future__ import annotations

import json
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from conformance.server import cpu_seconds

WRK = shutil.which("wrk")
CONNECTIONS = 16


@dataclass(frozen=True)
class Request:
    """One request of a load: target as sent, method, headers."""

    target: str
    method: str = "GET"
    span: tuple[int, int] | None = None
    """First byte and end of a Range."""
    headers: tuple[tuple[str, str], ...] = ()
    """More header lines."""


@dataclass(frozen=True)
class Rate:
    """What a server did under a load."""

    per_cpu_second: float
    """Requests per second of CPU time of the server."""
    per_second: float
    """Requests per second of the clock; shared with the load generator's own appetite."""


def path(bucket: str, key: str) -> str:
    """Request target of an object."""
    return f"/{bucket}/{quote(key)}"


def script(requests: Sequence[Request]) -> str:
    """Lua for wrk: the requests in turn, prepared once."""
    lines = ["local prepared = {}", "function init(args)"]
    for r in requests:
        sent = dict(r.headers) | ({"Range": f"bytes={r.span[0]}-{r.span[1] - 1}"} if r.span else {})
        headers = "{" + ", ".join(f"[{json.dumps(n)}]={json.dumps(v)}" for n, v in sent.items()) + "}"
        lines.append(
            f"  prepared[#prepared + 1] = wrk.format({json.dumps(r.method)}, {json.dumps(r.target)}, {headers})"
        )
    lines += ["end", "local at = 0", "function request()", "  at = at % #prepared + 1", "  return prepared[at]", "end"]
    return "\n".join(lines)


def load(url: str, pid: int, requests: Sequence[Request], seconds: float) -> Rate:
    """Repeat ``requests`` over 16 connections for ``seconds``.

    Raises:
        RuntimeError: wrk is missing, or an answer was not 2xx.
    """
    if requests[0].method == "HEAD":
        return _heads(url, pid, requests, seconds)
    if WRK is None:
        raise RuntimeError("wrk is not installed (conformance/install.sh)")
    with tempfile.TemporaryDirectory() as scratch:
        lua = Path(scratch) / "load.lua"
        lua.write_text(script(requests))
        before = cpu_seconds(pid)
        duration = f"{max(1, round(seconds))}s"
        command = [WRK, "-t1", f"-c{CONNECTIONS}", f"-d{duration}", "--timeout", "10s", "-s", str(lua), url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
        used = cpu_seconds(pid) - before
    total = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m|h)", done.stdout)
    if total is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"load failed on {url} {requests[0]}:\n{done.stdout}{done.stderr}")
    elapsed = float(total[2]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[total[3]]
    count = int(total[1])
    return Rate(count / max(used, 0.01), count / elapsed)


def _heads(url: str, pid: int, requests: Sequence[Request], seconds: float) -> Rate:
    """HEAD requests in turn on every connection; wrk cannot, it waits for the body that Content-Length announces."""
    host = urlsplit(url)
    prepared = []
    for r in requests:
        lines = "".join(f"{name}: {value}\r\n" for name, value in r.headers)
        prepared.append(f"HEAD {r.target} HTTP/1.1\r\nHost: {host.netloc}\r\n{lines}\r\n".encode())
    sockets = [socket.create_connection((host.hostname or "", host.port or 80), timeout=10) for _ in range(CONNECTIONS)]
    try:
        before, start, count = cpu_seconds(pid), time.perf_counter(), 0
        while time.perf_counter() < start + seconds:
            for i, sock in enumerate(sockets):
                sock.sendall(prepared[(count + i) % len(prepared)])
            for i, sock in enumerate(sockets):
                answer = sock.recv(8192)
                if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n")):
                    raise RuntimeError(f"HEAD failed on {url}: {answer[:300]!r}")
                if b"Connection: close" in answer:  # stock nginx, after 1,000 requests
                    sock.close()
                    sockets[i] = socket.create_connection((host.hostname or "", host.port or 80), timeout=10)
            count += len(sockets)
        elapsed, used = time.perf_counter() - start, cpu_seconds(pid) - before
    finally:
        for sock in sockets:
            sock.close()
    return Rate(count / max(used, 0.01), count / elapsed)


def alternate(
    rivals: dict[str, tuple[str, int]], requests: dict[str, Sequence[Request]], seconds: float, rounds: int
) -> dict[str, Rate]:
    """Load each rival (name to url and process) in turn, ``rounds`` times; medians.

    Taking turns spreads what the machine does meanwhile over all of them.
    """
    found: dict[str, list[Rate]] = {name: [] for name in rivals}
    for name, (url, pid) in rivals.items():
        load(url, pid, requests[name], 1)
    for _ in range(rounds):
        for name, (url, pid) in rivals.items():
            found[name].append(load(url, pid, requests[name], seconds))
    return {
        name: Rate(
            statistics.median(r.per_cpu_second for r in rates),
            statistics.median(r.per_second for r in rates),
        )
        for name, rates in found.items()
    }

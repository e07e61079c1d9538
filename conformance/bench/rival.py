"""nginx in its own process group, serving a folder: stock settings, or tuned for large static files."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.server import ROOT, free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
# Debian's nginx.conf but for paths, the log (ours writes none either) and one worker.
STOCK = "sendfile on; tcp_nopush on;"
TUNED = "sendfile on; tcp_nopush off; sendfile_max_chunk 0; open_file_cache max=1000; keepalive_requests 1000000;"
CONF = """
daemon off;
worker_processes 1;
pid {run}/nginx.pid;
error_log {run}/error.log;
events {{ worker_connections 768; }}
http {{
    {settings}
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Rival:
    """A running nginx: its address and the process to measure."""

    url: str
    pid: int


def version() -> str:
    """What ``nginx -v`` says."""
    if NGINX is None:
        raise RuntimeError("nginx is not installed (conformance/install.sh)")
    return subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]


@contextlib.contextmanager
def bare(root: Path) -> Iterator[Rival]:
    """The loop of `conformance.bench.bare` over ``root``."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance.bench.bare", str(port), str(root)], stdin=subprocess.DEVNULL, cwd=ROOT
    )
    try:
        _await(port, process, "the bare loop did not start")
        yield Rival(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait(10)


def _await(port: int, process: subprocess.Popen[bytes], complaint: str) -> None:
    end = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(complaint)
        time.sleep(0.02)


@contextlib.contextmanager
def nginx(root: Path, run: Path, settings: str = STOCK) -> Iterator[Rival]:
    """nginx over ``root`` on a free port, stopped behind the block; ``run`` is its scratch folder."""
    if NGINX is None:
        raise RuntimeError("nginx is not installed (conformance/install.sh)")
    run.mkdir(parents=True, exist_ok=True)
    port = free_port()
    conf = run / "nginx.conf"
    # workers of a root-started nginx drop to an account that may not look into a private scratch folder
    user = "user root;\n" if root.owner() == "root" else ""
    conf.write_text(user + CONF.format(run=run, settings=settings, port=port, root=root))
    process = subprocess.Popen([NGINX, "-p", str(run), "-c", str(conf)], stdin=subprocess.DEVNULL)
    try:
        _await(port, process, f"nginx did not start; see {run}/error.log")
        yield Rival(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait(10)

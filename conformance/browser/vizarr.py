"""Screenshots of vizarr, built from its repository, looking at a running server."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlsplit

from conformance.browser.shots import Shot, answering, available, driven, taken
from conformance.server import ROOT

BUILT = ROOT / "conformance" / ".cache" / "vizarr"
OUT_OF_REACH = BUILT.with_name("vizarr-out-of-reach")
"""Written by conformance/install.sh."""
DRAWN = (
    "performance.setResourceTimingBufferSize(20000), document.querySelector('canvas') !== null && new Set("
    "performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/c/'))).size >= {chunks}"
)
"""True once so many chunks were asked for: vizarr does not say when it has drawn."""


def missing() -> str | None:
    """Why no screenshot can be taken, or None."""
    if OUT_OF_REACH.exists():
        return "the repository of vizarr, which is published nowhere else, was out of reach"
    if not (BUILT / "commit").exists():
        return "vizarr was not built (conformance/install.sh)"
    return available()


def version() -> str:
    """The commit that it was built from."""
    file = BUILT / "commit"
    return file.read_text(encoding="utf-8")[:7] if file.exists() else "absent"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the browser tells what failed."""


def show(
    url: str,
    key: str,
    png: Path,
    *,
    chunks: int,
    size: tuple[int, int] = (1200, 800),
    settle: float = 3.0,
    timeout: float = 60,
    **query: str,
) -> Shot:
    """Open ``url/key`` and take a screenshot ``settle`` seconds after ``chunks`` chunks were asked for.

    The viewer comes from another port, so that every request for data is cross-origin.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(BUILT)))
    server.daemon_threads = True
    more = "".join(f"&{name}={quote(value)}" for name, value in query.items())
    order = {
        "ready": DRAWN.format(chunks=chunks),
        "settle": settle * 1000,
        "port": urlsplit(url).port,
        "width": size[0],
        "height": size[1],
    }
    with answering(server) as viewer:
        said = driven({"url": f"{viewer}?source={url}/{quote(key)}{more}", **order}, png, timeout)
    return taken(said, png)

"""Screenshots of Neuroglancer, the client in its PyPI wheel, looking at a running server."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import imagecodecs
import neuroglancer
import numpy as np

from conformance.samples import Array

NODE = Path(__file__).parent.parent / "node"
CHROMIUM = shutil.which("chromium")
READY = "window.viewer !== undefined && viewer.isReady()"


@dataclass(frozen=True)
class Shot:
    """What the browser showed and said.

    Attributes:
        ready: Whether the viewer reported that everything visible was drawn.
        pixels: The screenshot, height x width x 3, uint8.
        console: Errors and warnings of the page; the viewer's own missing favicon is left out.
        failed: Requests to the server that failed and were not cancelled by the viewer itself.
        responses: How often each ``METHOD STATUS path`` was answered by the server.
    """

    ready: bool
    pixels: Array
    console: Sequence[str]
    failed: Sequence[str]
    responses: Mapping[str, int]


def available() -> str | None:
    """Why no screenshot can be taken, or None."""
    if CHROMIUM is None or shutil.which("node") is None:
        return "chromium or node is not installed (conformance/install.sh)"
    if not (NODE / "node_modules" / "playwright-core").exists():
        return "the Node package playwright-core is not installed (conformance/install.sh)"
    return None


def source(url: str, group: str, bucket: str = "images") -> str:
    """The address that Neuroglancer opens for the image at ``group`` of the bucket."""
    return f"{url}/{bucket}/{quote(group)}/|zarr3:"


def shoot(
    url: str,
    layers: Mapping[str, Any],
    png: Path,
    *,
    size: tuple[int, int] = (1200, 800),
    timeout: float = 60,
    **view: Any,
) -> Shot:
    """Show ``layers`` (name to `neuroglancer.ImageLayer`), wait ``timeout`` seconds at most, take a screenshot.

    Neuroglancer's own Python server hands out the viewer from another port, so every request for data is
    cross-origin. ``view`` sets attributes of the viewer's state, e.g. ``layout="xy"``.
    """
    state = neuroglancer.ViewerState()
    for name, layer in layers.items():
        state.layers.append(name=name, layer=layer)
    for name, value in view.items():
        setattr(state, name, value)
    return screenshot(url, state, png, size=size, timeout=timeout)


def screenshot(
    url: str, state: neuroglancer.ViewerState, png: Path, *, size: tuple[int, int] = (1200, 800), timeout: float = 60
) -> Shot:
    """Show ``state``; ``url`` is the server whose answers are counted."""
    neuroglancer.set_server_bind_address("127.0.0.1", 0)
    viewer = neuroglancer.Viewer()
    try:
        viewer.set_state(state)
        page = viewer.get_viewer_url()
        order = {"url": page, "ready": READY, "port": urlsplit(url).port, "width": size[0], "height": size[1]}
        said = driven(order, png, timeout)
    finally:
        neuroglancer.stop()
    said["console"] = [message for message in said["console"] if "favicon.ico" not in message["url"]]
    return taken(said, png)


def driven(order: Mapping[str, Any], png: Path, timeout: float) -> dict[str, Any]:
    """Have Chromium open a page as ``conformance/node/shot.mjs`` is told, and take a screenshot; what was noted.

    Raises:
        RuntimeError: The browser did not start, or ended.
    """
    ask = {**order, "png": str(png), "chromium": CHROMIUM, "timeout": timeout * 1000}
    command = ["node", str(NODE / "shot.mjs"), json.dumps(ask)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout + 90)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(json.loads(done.stdout))


def taken(said: Mapping[str, Any], png: Path) -> Shot:
    """What a viewer showed and said."""
    return Shot(
        ready=said["ready"],
        pixels=np.asarray(imagecodecs.png_decode(png.read_bytes()))[..., :3],
        console=[f"{m['type']}: {m['text']} {m['url']}" for m in said["console"]],
        failed=[f"{f['reason']} {f['url']}" for f in said["failed"] if f["reason"] != "net::ERR_ABORTED"],
        responses=said["responses"],
    )


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[str]:
    """The address of a server that hands out pages meanwhile, from another port than the one under test."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def grey(low: float, high: float) -> str:
    """A shader that shows ``low`` as black and ``high`` as white."""
    return f"void main() {{ emitGrayscale((toRaw(getDataValue()) - {low:.1f}) / {high - low:.1f}); }}"


def tinted(colour: str, low: float, high: float) -> str:
    """A shader in one ``#rrggbb`` colour, for additive blending."""
    r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    value = f"clamp((float(toRaw(getDataValue())) - {low:.1f}) / {high - low:.1f}, 0.0, 1.0)"
    return f"void main() {{ emitRGB(vec3({r:.3f}, {g:.3f}, {b:.3f}) * {value}); }}"

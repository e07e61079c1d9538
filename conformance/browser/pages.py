"""Web pages of another origin than the server under test: ESM builds of Node packages by an import map, no bundler."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.browser.shots import NODE, answering, driven

MODULES = NODE / "node_modules"
PAGE = Path(__file__).parent / "zarr_page.mjs"
INLINE = "data:text/javascript,"
# zarrita's store of local files asks for these when it is loaded, and uses them only when it is called
NODE_ONLY = {
    "node:buffer": f"{INLINE}export const Buffer = undefined",
    "node:fs": f"{INLINE}export default undefined",
    "node:path": f"{INLINE}export default undefined",
}
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json"}


@dataclass(frozen=True)
class Visit:
    """What a page found, and what the browser noted meanwhile.

    Attributes:
        said: The page's own report.
        console: Errors and warnings as (text, URL).
        failed: Requests that got no answer, or none that the page may see.
        responses: How often each ``METHOD STATUS path`` was answered by the server under test.
    """

    said: Mapping[str, Any]
    console: Sequence[tuple[str, str]]
    failed: Sequence[Mapping[str, str]]
    responses: Mapping[str, int]


def version_of(name: str) -> str:
    """The version of an installed package, or "absent"."""
    try:
        return str(_manifest(installed(name))["version"])
    except LookupError:
        return "absent"


def installed(name: str, importer: Path = MODULES) -> Path:
    """The folder of the package that a module in the folder ``importer`` gets for ``name``, by Node's rule."""
    for parent in (importer, *importer.parents):
        place = (parent if parent.name == "node_modules" else parent / "node_modules") / name
        if (place / "package.json").exists():
            return place
        if parent == MODULES:
            break
    raise LookupError(f"{name} is not installed for {importer} (conformance/install.sh)")


def import_map(names: Iterable[str]) -> dict[str, Any]:
    """The import map for a page that imports the packages ``names``, each package seeing its own dependencies.

    ``"a > b"`` is the package b that a itself imports.
    """
    imports = dict(NODE_ONLY)
    scopes: dict[str, dict[str, str]] = {}
    queue = []
    for name in names:
        folder = MODULES
        for step in name.split(" > "):
            folder = installed(step, folder)
        imports.update(_entries(name, folder))
        queue.append(folder)
    for folder in queue:
        needed = {name: installed(name, folder) for name in _manifest(folder).get("dependencies", ())}
        scope = scopes.setdefault(f"{_address(folder)}/", {})
        for name, place in needed.items():
            scope.update(_entries(name, place))
            if f"{_address(place)}/" not in scopes:
                queue.append(place)
    return {"imports": imports, "scopes": scopes}


def visit(ask: Mapping[str, str], names: Iterable[str], scratch: Path, *, timeout: float = 60) -> Visit:
    """Open the page, give it ``ask``, wait ``timeout`` seconds at most for its report.

    Raises:
        RuntimeError: The browser did not run, or the page did not report.
    """
    html = (
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>zarr</title>'
        f'<script type="importmap">{_inline(import_map(names))}</script>'
        f'<script type="application/json" id="ask">{_inline(ask)}</script>'
        f'<script type="module" src="/{PAGE.name}"></script>'
    )
    server = _Server(html)
    with answering(server) as url:
        order = {"url": url, "ready": "window.done === true", "settle": 200, "port": urlsplit(ask["url"]).port}
        noted = driven(order, scratch / "page.png", timeout)
    if server.said is None:
        raise RuntimeError(f"the page did not report: {noted}")
    console = [(message["text"], message["url"]) for message in noted["console"]]
    return Visit(server.said, console, noted["failed"], noted["responses"])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, html: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.html = html.encode()
        self.said: dict[str, Any] | None = None


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, "text/html", self.server.html)
            return
        path = PAGE if self.path == f"/{PAGE.name}" else NODE / self.path.lstrip("/")
        if path.is_file() and (path == PAGE or path.is_relative_to(MODULES)) and ".." not in path.parts:
            self._answer(200, TYPES.get(path.suffix, "application/octet-stream"), path.read_bytes())
        else:
            self._answer(404, "text/plain", b"")

    def do_POST(self) -> None:
        self.server.said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200, "text/plain", b"")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the browser tells what failed."""


@cache
def _manifest(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "package.json").read_text(encoding="utf-8")))


def _address(folder: Path) -> str:
    return f"/{folder.relative_to(NODE).as_posix()}"


def _entries(name: str, folder: Path) -> dict[str, str]:
    """Addresses of the modules that ``folder`` offers to ``import``, for a package called ``name``."""
    manifest = _manifest(folder)
    exports = manifest.get("exports") or {".": {"import": f"./{manifest.get('module', manifest.get('main'))}"}}
    found = {}
    for subpath, conditions in exports.items():
        target = conditions.get("import", conditions.get("default")) if isinstance(conditions, dict) else conditions
        target = target.get("default") if isinstance(target, dict) else target
        if target and "*" not in subpath:
            found[name + subpath[1:]] = f"{_address(folder)}/{target.removeprefix('./')}"
    return found


def _inline(value: object) -> str:
    """JSON that no HTML parser takes for a tag."""
    return json.dumps(value).replace("<", "\\u003c")

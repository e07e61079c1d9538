"""A server whose certificate nobody vouches for is told nothing, and the reason is."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3facade.core.errors import SourceUnavailable
from s3facade.stores import files
from s3facade.stores.transport import Address

ASKED: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        ASKED.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that hang up during the handshake are what is tested."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tls")
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {root}/key.pem -out {root}/cert.pem -days 2 "
        "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1",
        shell=True,
        check=True,
        capture_output=True,
    )
    return root / "cert.pem"


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    ASKED.clear()
    yield f"https://127.0.0.1:{server.server_port}/"
    files.register({})
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("kind", ["web", "s3"])
def test_an_unknown_certificate_is_refused_with_its_reason(url: str, kind: str) -> None:
    web = Address(url, timeout=4.0, secret="tell nobody")
    s3 = Address("s3://lab/", url, key="k", secret="tell nobody", timeout=4.0)
    files.register({"lab": web if kind == "web" else s3})
    with pytest.raises(SourceUnavailable, match="check its certificate") as caught:
        files.describe("lab:/a.tif")
    assert "tell nobody" not in caught.value.explain()
    assert not ASKED


def test_it_is_trusted_when_the_environment_says_so(url: str, certificate: Path) -> None:
    code = (
        "from s3facade.stores import files; from s3facade.stores.transport import Address; "
        f"files.register({{'lab': Address({url!r})}}); print(files.describe('lab:/a.tif').size); files.rest()"
    )
    environment = {**os.environ, "SSL_CERT_FILE": str(certificate)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "5\n", done.stderr

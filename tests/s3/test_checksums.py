"""Which answers carry a checksum, and that a client believes it."""

import base64
import http.client
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import FlexibleChecksumError
from conftest import serving
from s3_fakes import FakeCatalog, FakeEngine, FakeFound, passed

from s3facade.core.identity import etag
from s3facade.core.keyspace import File
from s3facade.core.objects import Object, Packed
from s3facade.s3.checksums import LONGEST

ASKED = {"x-amz-checksum-mode": "ENABLED"}
SUM, KIND = "x-amz-checksum-crc32", "x-amz-checksum-type"
TEXT = b'{"zarr_format":3}'
MEASURED = b'{"window":[0,7]}'


def crc(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Engine:
    """Makes what is measured when it is read, and keeps it; leaves all else to another engine."""

    def __init__(self):
        self.rest, self.kept = FakeEngine(), None

    def ready(self, obj, start, stop):
        if any(isinstance(part, Packed) for part in obj.parts):
            return self.kept
        return self.rest.ready(obj, start, stop)

    async def stream(self, obj, start, stop, *who):
        if any(isinstance(part, Packed) for part in obj.parts):
            self.kept = [obj.parts[0].pack(())]
            yield self.kept[0]
        else:
            async for piece in self.rest.stream(obj, start, stop, *who):
                yield piece


def measured(key):
    body = Object((Packed((), lambda _: MEASURED, len(MEASURED), key),))
    file = File(len(MEASURED), "application/json", key, 1_700_000_000 * 10**9, lambda: body)
    return FakeFound(key, file, etag(key, key))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "a.tif"
    path.write_bytes(b"II*\0")
    contents = {"zarr.json": TEXT, "empty": b"", "most": b"x" * LONGEST, "long": b"x" * (LONGEST + 1)}
    catalog = FakeCatalog().add("b", {**contents, "a.tif": passed("a.tif", path), "measured": measured("measured")})
    with serving(catalog, Engine()) as s:
        yield s


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("key", "data"), [("zarr.json", TEXT), ("empty", b""), ("most", b"x" * LONGEST)])
def test_documents(server, method, key, data):
    for _ in range(2):  # the second one from memory
        answer = server.ask(method, f"/b/{key}", ASKED)
        assert (answer.status, answer.headers[SUM], answer.headers[KIND]) == (200, crc(data), "FULL_OBJECT")
        assert server.ask(method, f"/b/{key}", {**ASKED, "Range": "bytes=9-1"}).headers[SUM] == crc(data)


WITHOUT = [
    ("zarr.json", {}, 200),
    ("zarr.json", {"x-amz-checksum-mode": "DISABLED"}, 200),
    ("zarr.json", {**ASKED, "Range": "bytes=0-"}, 206),
    ("zarr.json", {**ASKED, "Range": "bytes=1-2"}, 206),
    ("zarr.json", {**ASKED, "If-None-Match": "*"}, 304),
    ("zarr.json", {**ASKED, "If-Match": '"x"'}, 412),
    ("zarr.json?partNumber=1", ASKED, 206),
    ("long", ASKED, 200),
    ("a.tif", ASKED, 200),
    ("none", ASKED, 404),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("key", "headers", "status"), WITHOUT, ids=range(len(WITHOUT)))
def test_all_others_carry_none(server, method, key, headers, status):
    for _ in range(2):
        answer = server.ask(method, f"/b/{key}", headers)
        assert answer.status == status
        assert not [name for name in answer.headers if name.startswith("x-amz-checksum")]


def test_what_is_measured_has_one_once_it_is_made(server):
    """A head does not make pixels; a body comes with its checksum the first time, too."""
    assert SUM not in server.ask("HEAD", "/b/measured", ASKED).headers
    asked = {"x-amz-object-attributes": "Checksum"}
    assert b"Checksum" not in server.ask("GET", "/b/measured?attributes", asked).body
    for method in ("GET", "GET", "HEAD"):
        assert server.ask(method, "/b/measured", ASKED).headers[SUM] == crc(MEASURED)
    assert crc(MEASURED).encode() in server.ask("GET", "/b/measured?attributes", asked).body


@pytest.fixture
def spoiling(server):
    """A proxy in front of the server that changes the last byte of every body."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("GET", self.path, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:-1] + bytes([body[-1] ^ 1]))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield proxy.server_address[1]
        proxy.shutdown()
        thread.join(10)


def client(port):
    config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"max_attempts": 1})
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", config=config)


def test_boto3_checks_it(server, spoiling):
    good, bad = client(server.port), client(spoiling)
    answer = good.get_object(Bucket="b", Key="zarr.json")
    assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc(TEXT), "FULL_OBJECT")
    assert answer["Body"].read() == TEXT
    with pytest.raises(FlexibleChecksumError):
        bad.get_object(Bucket="b", Key="zarr.json")["Body"].read()
    # Without a checksum nobody can tell: this is what the others are like.
    assert bad.get_object(Bucket="b", Key="a.tif")["Body"].read() == b"II*\1"
    assert bad.get_object(Bucket="b", Key="zarr.json", Range="bytes=0-3")["Body"].read() != TEXT[:4]
    found = good.get_object_attributes(Bucket="b", Key="zarr.json", ObjectAttributes=["Checksum"])
    assert found["Checksum"] == {"ChecksumCRC32": crc(TEXT), "ChecksumType": "FULL_OBJECT"}
    good.close()
    bad.close()

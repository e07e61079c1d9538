import os
import xml.etree.ElementTree as ET

import pytest
from conftest import serving
from hypothesis import given, settings
from hypothesis import strategies as st
from s3_fakes import FakeCatalog, FakeEngine, passed

from s3facade.core import errors as e

DATA = os.urandom(3000)


@pytest.fixture(params=["memory", "stream"], scope="module")
def server(request):
    engine = FakeEngine(memory=request.param == "memory", piece=700)
    with serving(FakeCatalog().add("b", {"k": DATA, "empty": b"", "d/e f+g": b"odd"}), engine) as s:
        yield s


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.none(), st.integers(0, 3100)), st.one_of(st.none(), st.integers(0, 3100)))
def test_ranges_are_slices(server, first, last):
    value = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    answer = server.get("/b/k", Range=value)
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        assert (answer.status, answer.body) == (200, DATA)
        return
    wanted = DATA[-last:] if first is None and last else DATA[first : None if last is None else last + 1]
    if not wanted or (first is None and last == 0):
        assert answer.status == 416
        assert answer.headers["content-range"] == "bytes */3000"
        assert b"<Code>InvalidRange</Code>" in answer.body
        return
    start = 3000 - len(wanted) if first is None else first
    assert (answer.status, answer.body) == (206, wanted)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/3000"
    head = server.ask("HEAD", "/b/k", {"Range": value})
    assert (head.status, head.headers["content-length"]) == (206, str(len(wanted)))


def without_stamp(headers):
    return {k: v for k, v in headers.items() if k not in ("date", "x-amz-request-id")}


@pytest.mark.parametrize("key", ["k", "empty", "d/e%20f+g", "d/e%20f%2Bg", "d%2Fe%20f%2bg"])
def test_head_has_the_headers_of_get(server, key):
    for _ in range(2):  # the second time from memory
        get, head = server.get(f"/b/{key}"), server.ask("HEAD", f"/b/{key}")
        assert get.status == head.status == 200
        assert without_stamp(get.headers) == without_stamp(head.headers)
        assert int(get.headers["content-length"]) == len(get.body)
        assert head.body == b""
        for name in ("etag", "last-modified", "content-type", "x-amz-request-id", "x-amz-id-2", "date"):
            assert head.headers[name]
        assert get.headers["accept-ranges"] == get.headers["accept-range"] == "bytes"
        assert "content-encoding" not in get.headers
        assert get.headers["x-amz-request-id"] != head.headers["x-amz-request-id"]


@pytest.mark.parametrize(
    "path", ["/b/nope", "/b/d", "/b/d/", "/b//k", "/b/./k", "/b/x/../k", "/b/K", "/b/k/", "/b/%00"]
)
def test_absent(server, path):
    answer = server.get(path)
    root = ET.fromstring(answer.body)
    assert (answer.status, root.tag, root.find("Code").text) == (404, "Error", "NoSuchKey")
    assert root.find("RequestId").text == answer.headers["x-amz-request-id"]
    assert root.find("HostId").text == answer.headers["x-amz-id-2"]
    assert root.find("Resource").text == path
    head = server.ask("HEAD", path)
    assert (head.status, head.body) == (404, b"")


def test_conditions(server):
    tag = server.ask("HEAD", "/b/k").headers["etag"]
    assert server.get("/b/k", If_Match=tag).status == 200
    assert server.get("/b/k", If_Match='"x"').status == 412
    unmodified = server.get("/b/k", If_None_Match=tag)
    assert (unmodified.status, unmodified.body, unmodified.headers["etag"]) == (304, b"", tag)
    assert server.get("/b/k", If_Match='"x"', Range="bytes=9999-").status == 412
    assert server.get("/b/k", If_Range=tag, Range="bytes=0-1").body == DATA[:2]
    assert server.get("/b/k", If_Range='"x"', Range="bytes=0-1").body == DATA
    assert server.get("/b/nope", If_Match='"x"').status == 404


def test_overrides_need_a_signature(server):
    answer = server.get("/b/k?response-content-type=text/html")
    assert answer.status == 400
    assert b"InvalidRequest" in answer.body


def test_parts(server):
    for _ in range(2):
        answer = server.get("/b/k?partNumber=1")
    assert (answer.status, answer.headers["content-range"], answer.body) == (206, "bytes 0-2999/3000", DATA)
    assert server.get("/b/k?partNumber=2").status == 416


@pytest.mark.parametrize(
    ("path", "keep"), [("/kept/k", "max-age=60"), (f"/kept/@{'0' * 32}/k", "public, max-age=31536000, immutable")]
)
def test_what_is_not_modified_may_be_kept_as_long_as_the_rest(server, path, keep):
    server.catalog.add("kept", {"k": b"x"}, cache_control="max-age=60")
    whole = server.get(path)
    same = server.get(path, If_None_Match=whole.headers["etag"])
    assert (whole.status, same.status) == (200, 304)
    assert whole.headers["cache-control"] == same.headers["cache-control"] == keep


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/b/k", "/b/nope", "/b", "/", "/nothing", "/b/k?acl", "/b/%ff"])
def test_cors_on_every_answer(server, method, path):
    answer = server.ask(method, path, {"Origin": "http://viewer.test"})
    assert answer.headers["access-control-allow-origin"] == "*"
    for name in ("ETag", "Content-Range", "Content-Length", "Accept-Ranges", "x-amz-request-id"):
        assert name in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in server.ask(method, path).headers


def test_preflight(server):
    answer = server.ask("OPTIONS", "/b/k", {
        "Origin": "http://viewer.test", "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,range", "Access-Control-Request-Private-Network": "true",
    })  # fmt: skip
    assert answer.status == 200
    assert answer.headers["access-control-allow-headers"] == "authorization,range"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert int(answer.headers["access-control-max-age"]) > 0
    assert server.ask("OPTIONS", "/b/k").status == 400
    assert server.ask("OPTIONS", "/b/k", {"Origin": "x"}).status == 400


SOURCE_ERRORS = [
    (e.SourceUnavailable, 503, "ServiceUnavailable"), (e.SourceChanged, 503, "ServiceUnavailable"),
    (e.BadSource, 500, "InternalError"), (e.SourceDenied, 500, "InternalError"), (e.Overloaded, 503, "SlowDown"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "status", "code"), SOURCE_ERRORS)
def test_unreadable_is_not_absent(server, caplog, kind, status, code):
    server.catalog.errors["b", "broken\n"] = kind("The original of this key cannot be read.", private="/secret/a\n.tif")
    answer = server.get("/b/broken%0A")
    root = ET.fromstring(answer.body)
    assert (answer.status, root.find("Code").text) == (status, code)
    assert b"secret" not in answer.body
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)
    record = caplog.records[-1]
    assert root.find("RequestId").text in record.getMessage()
    assert r"/secret/a\n.tif" in record.getMessage()
    assert "\n" not in record.getMessage()
    head = server.ask("HEAD", "/b/broken%0A")
    assert (head.status, head.body) == (status, b"")


def test_the_unexpected_is_500_with_a_traceback_in_the_log(server, caplog):
    server.catalog.errors["b", "bug"] = ZeroDivisionError("a secret")
    answer = server.get("/b/bug")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert caplog.records[-1].exc_info[0] is ZeroDivisionError
    assert server.get("/b/k").status == 200


def test_a_stale_description_is_looked_up_again(server):
    server.catalog.add("fresh", {"k": b"old"})
    for _ in range(2):
        assert server.get("/fresh/k").body == b"old"
    old = server.catalog.contents["fresh"]["k"].etag
    server.catalog.stale.add(old)
    server.catalog.add("fresh", {"k": b"newer"})
    answer = server.get("/fresh/k", If_None_Match=f'"{old}"')
    assert (answer.status, answer.body) == (200, b"newer")
    assert server.get("/fresh/k", If_Match=f'"{old}"').status == 412
    for _ in range(2):
        assert server.get("/fresh/k").body == b"newer"
    server.catalog.add("fresh", {"k": b"x"}, access="private")
    assert server.get("/fresh/k").status == 403


@pytest.mark.parametrize("size", [1, 1000, 40_000, 5_000_000])
def test_files_by_sendfile(tmp_path, size):
    path = tmp_path / "a.tif"
    path.write_bytes(data := os.urandom(size))
    with serving(FakeCatalog().add("files", {"a.tif": passed("a.tif", path)})) as s:
        for _ in range(2):
            assert s.get("/files/a.tif").body == data
        for first in (0, size // 2, size - 1):
            assert s.get("/files/a.tif", Range=f"bytes={first}-").body == data[first:]
            assert s.get("/files/a.tif", Range=f"bytes=0-{first}").body == data[: first + 1]


def test_internal_pages():
    pages = {"/-/healthz": lambda: (200, "text/plain", b"ok\n"), "/-/status": lambda: (503, "application/json", b"{}")}
    with serving(internal=pages) as s:
        assert s.get("/-/healthz").body == b"ok\n"
        assert s.get("/-/healthz?x").headers["content-type"] == "text/plain"
        assert s.ask("HEAD", "/-/healthz").headers["content-length"] == "3"
        assert s.get("/-/status").status == 503
        assert s.get("/-/other").status == 404

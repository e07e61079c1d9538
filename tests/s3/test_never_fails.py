"""Whatever is asked, however it is spelled: an answer below 500, and none but the right one for a wrong signature."""

import re
import string
from urllib.parse import quote

import pytest
from conftest import serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s3_fakes import FakeCatalog

from s3facade.auth.authenticator import Authenticator
from s3facade.auth.keys import Credential
from s3facade.auth.links import Links
from s3facade.s3.operations import SUBRESOURCES
from s3facade.s3.target import virtual

NAMES = st.sampled_from([
    *SUBRESOURCES, "prefix", "delimiter", "marker", "max-keys", "list-type", "continuation-token", "start-after",
    "encoding-type", "fetch-owner", "key-marker", "version-id-marker", "versionId", "partNumber", "max-buckets",
    "response-content-type", "response-expires", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token", "AWSAccessKeyId", "Signature", "Expires",
])  # fmt: skip
HEADERS = st.sampled_from([
    "Authorization", "x-amz-date", "Date", "x-amz-content-sha256", "x-amz-security-token",
    "x-amz-expected-bucket-owner", "x-amz-object-attributes", "Range", "If-Range",
    "If-Match", "If-None-Match", "If-Modified-Since", "Origin",
    "If-Unmodified-Since", "Access-Control-Request-Method", "Access-Control-Request-Headers", "x-amz-checksum-mode",
])  # fmt: skip
TOKENS = st.sampled_from([
    "AWS4-HMAC-SHA256 ", "Credential=", "KEY/20261121/us-east-1/s3/aws4_request", ", SignedHeaders=host",
    ", Signature=", "host;x-amz-date", "0" * 64,
    "20261121T120000Z", "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "bytes=",
    "0-", "-1", ",", ";", "/", "*", '"', "null", "9" * 30, "AWS KEY:", "Sat, 01 Jan 2050 00:00:00 GMT", "~", "@",
    "~abcd1234.1790000000.1." + "A" * 22, "@" + "0" * 32, "..", "%", "+", "1", "url", "https://x.org",
])  # fmt: skip
ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
VALUES = st.lists(TOKENS | ANY, max_size=5).map("".join)
PLAIN = st.lists(TOKENS | st.text(string.printable[:95], max_size=6), max_size=5).map("".join)
PATHS = st.sampled_from(["/", "/open", "/open/", "/open/k", "/shut/k", "/shut", "/keys/k", "/keys", "/none"])


@pytest.fixture(scope="module")
def server():
    catalog = FakeCatalog().add("open", {"k": b"data", "é/ü": b"x"}).add("shut", {"k": b"secret"}, access="private")
    catalog.add("keys", {"k": b"key"}, access="key-only")
    door = Authenticator([Credential("KEY", "secret-1")], bucket_of=lambda h: virtual(h, ()), links=Links("links-key"))
    with serving(catalog, guard=door) as s:
        yield s


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "PUT"]),
    path=PATHS,
    tail=VALUES,
    query=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    headers=st.lists(st.tuples(HEADERS, PLAIN), max_size=4),
    raw=st.booleans(),
)
def test_no_request_is_too_odd(server, method, path, tail, query, headers, raw):
    spell = (lambda text: re.sub(r"[^!-~]", "", text).replace("?", "")) if raw else (lambda text: quote(text, safe=""))
    target = path + (spell(tail) if path.count("/") > 1 else "")
    if query:
        target += "?" + "&".join(f"{name}={spell(value)}" for name, value in query)
    answer = server.ask(method, target.replace("#", ""), dict(headers))
    assert answer.status < 500 or answer.status == 501, (method, target, headers, answer)
    if path.startswith("/shut"):
        assert answer.status >= 400 or method == "OPTIONS", (target, headers)
        assert b"secret" not in answer.body.replace(b"secret-1", b"")
    if method == "HEAD":
        assert answer.body == b""

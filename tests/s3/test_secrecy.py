"""Who may not is answered about a bucket as if there were none, to the byte; nor do his requests fill the log."""

import logging
import re
from itertools import product

import pytest
from conftest import serving
from s3_fakes import FakeCatalog

from s3facade.auth.authenticator import Authenticator
from s3facade.auth.keys import Credential
from s3facade.auth.links import Links

MISSING = "nowhere"
RULES = {"cors": ("https://viewer.example.org",)}
BUCKETS = {"private": {}, "closed1": {**RULES}, "closed2": {"cors": ()}}
OF_KEYS = {"bykey-1": {}, "bykey-2": {**RULES}, "bykey-3": {"cors": ()}}
PATHS = ["", "/", "/k", "/none", "/none/", "/~abcdefgh.1.1.0123456789012345678901/k", f"/@{'0' * 32}/k"]
QUERIES = [
    "", "?list-type=2", "?acl", "?cors", "?location", "?policyStatus", "?versions", "?uploads", "?torrent", "?tagging",
    "?attributes", "?retention", "?max-keys=abc", "?versionId=x", "?versionId=", "?partNumber=0", "?acl&cors",
    "?response-expires=x", "?list-type=2&continuation-token=x", "?prefix=~abcdefgh.1.1.0123456789012345678901",
]  # fmt: skip
ORIGINS = [
    {},
    {"Origin": "https://viewer.example.org"},
    {"Origin": "https://other.example.org", "Access-Control-Request-Method": "GET"},
]


@pytest.fixture(scope="module")
def server():
    catalog = FakeCatalog()
    for name, options in BUCKETS.items():
        catalog.add(name, {"k": b"x"}, access="private", **options)
    for name, options in OF_KEYS.items():
        catalog.add(name, {"k": b"x"}, access="key-only", **options)
    guard = Authenticator([Credential("K", "secret-1", {})], links=Links("secret-of-links"))
    with serving(catalog, guard=guard) as s:
        yield s


def told(server, method, bucket, path, headers):
    """All of an answer that may differ, with the name of the bucket taken out; names here are equally long."""
    answer = server.ask(method, f"/{bucket}{path}", headers)
    kept = {n: v for n, v in answer.headers.items() if n not in ("date", "x-amz-request-id", "x-amz-id-2")}
    body = re.sub(rb"<(RequestId|HostId)>.*?</", b"", answer.body).replace(bucket.encode(), b"*")
    return answer.status, kept, body


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("headers", ORIGINS)
def test_a_private_bucket_is_like_none(server, method, headers):
    for path, query in product(PATHS, QUERIES):
        expected = told(server, method, MISSING, path + query, headers)
        assert expected[0] in ((200, 400) if method == "OPTIONS" else (403,)), (path, query)
        for bucket in BUCKETS:
            assert told(server, method, bucket, path + query, headers) == expected, (bucket, path, query)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("headers", ORIGINS)
def test_a_key_only_bucket_is_like_none_to_who_knows_no_key(server, method, headers):
    for path, query in product(PATHS, QUERIES):
        if path == "/k" or path.startswith("/@"):
            continue
        expected = told(server, method, MISSING, path + query, headers)
        for bucket in OF_KEYS:
            assert told(server, method, bucket, path + query, headers) == expected, (bucket, path, query)


def test_who_may_read_is_held_to_the_rules(server):
    for bucket, allowed in (("bykey-1", True), ("bykey-2", False), ("bykey-3", False)):
        headers = server.get(f"/{bucket}/k", Origin="https://other.example.org").headers
        assert ("access-control-allow-origin" in headers) is allowed
        assert server.get(f"/{bucket}/k?torrent", Origin="https://other.example.org").status == 501
    headers = server.get("/bykey-2/k", Origin="https://viewer.example.org").headers
    assert headers["access-control-allow-origin"] == "https://viewer.example.org"


def test_what_is_not_offered_is_no_error_of_the_server(server, caplog):
    with caplog.at_level(logging.INFO):
        assert server.get("/bykey-1/k?torrent").status == 501
    assert not caplog.records

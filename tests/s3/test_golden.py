"""Documents element by element, in the order of the S3 API reference; and operations by the code they answer."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import serving
from s3_fakes import FakeCatalog

GOLDEN = Path(__file__).parent / "golden"
CORS = ("https://a.example.org", "https://*.example.net")
KEYS = {"a": b"1", "b & c": b"22", "d/e": b"3", "f": b"4"}


@pytest.fixture(scope="module")
def server():
    catalog = FakeCatalog().add("alpha", KEYS).add("atlas", {"k": b"x"}, cors=CORS).add("beta", {}, cors=())
    with serving(catalog) as s:
        yield s


def tree(element):
    """Name, attributes, text without what only lays it out, and children in order."""
    return element.tag, dict(element.attrib), (element.text or "").strip(), [tree(child) for child in element]


def same(wanted, found):
    """Whether two trees are equal; … stands for any text."""
    pattern = ".+".join(map(re.escape, wanted[2].split("…")))
    assert found[:2] == wanted[:2]
    assert re.fullmatch(pattern, found[2]), (wanted, found)
    assert [c[0] for c in found[3]] == [c[0] for c in wanted[3]]
    for one, other in zip(wanted[3], found[3], strict=True):
        same(one, other)


DOCUMENTS = [
    ("list-buckets", "/?prefix=a&max-buckets=1", 200),
    ("list-v1", "/alpha?delimiter=/&marker=a&max-keys=2", 200),
    ("list-v2", "/alpha?list-type=2&delimiter=/&start-after=a&max-keys=2&encoding-type=url", 200),
    ("list-versions", "/alpha?versions&key-marker=a&version-id-marker=null&max-keys=1", 200),
    ("error", "/alpha/no%3Cne", 404),
    ("location", "/alpha?location", 200),
    ("versioning", "/alpha?versioning", 200),
    ("acl", "/alpha?acl", 200),
    ("acl", "/alpha/a?acl", 200),
    ("tagging", "/alpha/a?tagging", 200),
    ("attributes", "/alpha/b%20%26%20c?attributes", 200),
    ("policy-status", "/alpha?policyStatus", 200),
    ("uploads", "/alpha?uploads&delimiter=/&prefix=", 200),
    ("cors", "/atlas?cors", 200),
]


@pytest.mark.parametrize(("name", "target", "status"), DOCUMENTS, ids=[t for _, t, _ in DOCUMENTS])
def test_documents(server, name, target, status):
    answer = server.get(target, x_amz_object_attributes="ETag,ObjectSize, StorageClass,Checksum,ObjectParts")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    same(tree(ET.parse(GOLDEN / f"{name}.xml").getroot()), tree(ET.fromstring(answer.body)))


def test_every_golden_document_is_compared():
    assert {p.stem for p in GOLDEN.glob("*.xml")} == {name for name, _, _ in DOCUMENTS}


# What the read-only parts of public conformance suites ask for, by operation: request, headers, status, code.
TABLE = [
    ("GET", "/missing", {}, 404, "NoSuchBucket"),
    ("GET", "/missing/key", {}, 404, "NoSuchBucket"),
    ("HEAD", "/missing", {}, 404, ""),
    ("GET", "/alpha?max-keys=-1", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?max-keys=blah", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?max-keys=0", {}, 200, ""),
    ("GET", "/alpha?max-keys=", {}, 200, ""),
    ("GET", "/alpha?max-keys=2147483647", {}, 200, ""),
    ("GET", "/alpha?max-keys=2147483648", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?encoding-type=base64", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?list-type=2&continuation-token=x", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?list-type=2&continuation-token=", {}, 200, ""),
    ("GET", "/alpha?list-type=bogus", {}, 200, ""),
    ("GET", "/alpha?versions&version-id-marker=null", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?versions&key-marker=a&version-id-marker=x", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?versions&max-keys=-1", {}, 400, "InvalidArgument"),
    ("GET", "/?max-buckets=0", {}, 400, "InvalidArgument"),
    ("GET", "/?max-buckets=10001", {}, 400, "InvalidArgument"),
    ("GET", "/?max-buckets=x", {}, 400, "InvalidArgument"),
    ("GET", "/?continuation-token=x", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?uploads&encoding-type=x", {}, 400, "InvalidArgument"),
    ("GET", "/alpha?policy", {}, 404, "NoSuchBucketPolicy"),
    ("GET", "/alpha?tagging", {}, 404, "NoSuchTagSet"),
    ("GET", "/alpha?lifecycle", {}, 404, "NoSuchLifecycleConfiguration"),
    ("GET", "/alpha?website", {}, 404, "NoSuchWebsiteConfiguration"),
    ("GET", "/alpha?encryption", {}, 404, "ServerSideEncryptionConfigurationNotFoundError"),
    ("GET", "/alpha?replication", {}, 404, "ReplicationConfigurationNotFoundError"),
    ("GET", "/alpha?publicAccessBlock", {}, 404, "NoSuchPublicAccessBlockConfiguration"),
    ("GET", "/alpha?ownershipControls", {}, 404, "OwnershipControlsNotFoundError"),
    ("GET", "/alpha?object-lock", {}, 404, "ObjectLockConfigurationNotFoundError"),
    ("GET", "/alpha?inventory&id=1", {}, 404, "NoSuchConfiguration"),
    ("GET", "/beta?cors", {}, 404, "NoSuchCORSConfiguration"),
    ("GET", "/alpha?logging", {}, 200, ""),
    ("GET", "/alpha?notification", {}, 200, ""),
    ("GET", "/alpha?accelerate", {}, 200, ""),
    ("GET", "/alpha?requestPayment", {}, 200, ""),
    ("GET", "/alpha?metadataTable", {}, 501, "NotImplemented"),
    ("GET", "/alpha?session", {}, 501, "NotImplemented"),
    ("GET", "/alpha/a?torrent", {}, 501, "NotImplemented"),
    ("GET", "/alpha/a?acl&tagging", {}, 501, "NotImplemented"),
    ("HEAD", "/alpha/a?acl", {}, 405, ""),
    ("GET", "/alpha/a?legal-hold", {}, 404, "NoSuchObjectLockConfiguration"),
    ("GET", "/alpha/a?retention", {}, 404, "NoSuchObjectLockConfiguration"),
    ("GET", "/alpha/a?uploadId=1", {}, 404, "NoSuchUpload"),
    ("GET", "/alpha/none?retention", {}, 404, "NoSuchKey"),
    ("GET", "/alpha/none?acl", {}, 404, "NoSuchKey"),
    ("GET", "/alpha/none?tagging", {}, 404, "NoSuchKey"),
    ("GET", "/alpha/none?attributes", {"x-amz-object-attributes": "ETag"}, 404, "NoSuchKey"),
    ("GET", "/alpha/a?attributes", {}, 400, "InvalidRequest"),
    ("GET", "/alpha/a?attributes", {"x-amz-object-attributes": "Colour"}, 400, "InvalidArgument"),
    ("GET", "/alpha/none", {}, 404, "NoSuchKey"),
    ("HEAD", "/alpha/none", {}, 404, ""),
    ("GET", "/alpha/a/", {}, 404, "NoSuchKey"),
    ("GET", "/alpha/d", {}, 404, "NoSuchKey"),
    ("GET", "/alpha/a?versionId=null", {}, 200, ""),
    ("GET", "/alpha/a?versionId=abc", {}, 404, "NoSuchVersion"),
    ("GET", "/alpha/a?versionId=", {}, 400, "InvalidArgument"),
    ("GET", "/alpha/a?acl&versionId=abc", {}, 404, "NoSuchVersion"),
    ("GET", "/alpha/a?partNumber=1", {}, 206, ""),
    ("HEAD", "/alpha/a?partNumber=1", {}, 206, ""),
    ("GET", "/alpha/a?partNumber=2", {}, 416, "InvalidPartNumber"),
    ("GET", "/alpha/a?partNumber=0", {}, 400, "InvalidArgument"),
    ("GET", "/alpha/a?partNumber=10001", {}, 400, "InvalidArgument"),
    ("GET", "/alpha/a?partNumber=x", {}, 400, "InvalidArgument"),
    ("GET", "/alpha/a?partNumber=1", {"Range": "bytes=0-0"}, 400, "InvalidRequest"),
    ("GET", "/alpha/a", {"Range": "bytes=1-"}, 416, "InvalidRange"),
    ("GET", "/alpha/a", {"Range": "bytes=-0"}, 416, "InvalidRange"),
    ("GET", "/alpha/a", {"Range": "bytes=0-0,0-0"}, 200, ""),
    ("GET", "/alpha/a", {"Range": "lines=0-0"}, 200, ""),
    ("GET", "/alpha/a", {"If-Match": '"x"'}, 412, "PreconditionFailed"),
    ("GET", "/alpha/a", {"If-None-Match": "*"}, 304, ""),
    ("GET", "/alpha/a", {"If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT"}, 304, ""),
    ("GET", "/alpha/a", {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 412, "PreconditionFailed"),
    ("GET", "/alpha/a", {"x-amz-expected-bucket-owner": "123456789012"}, 403, "AccessDenied"),
    ("GET", "/alpha/a", {"x-amz-expected-bucket-owner": "s3facade"}, 200, ""),
    ("GET", "/alpha", {"x-amz-expected-bucket-owner": "123456789012"}, 403, "AccessDenied"),
    ("HEAD", "/alpha", {"x-amz-expected-bucket-owner": "123456789012"}, 403, ""),
    ("GET", "/alpha/a", {"x-amz-checksum-mode": "ENABLED"}, 200, ""),
    ("GET", "/alpha/a?response-content-type=x", {}, 400, "InvalidRequest"),
    ("GET", "/alpha/a?x-id=GetObject", {}, 200, ""),
    ("PUT", "/alpha/a", {}, 403, "AccessDenied"),
    ("PUT", "/alpha", {}, 403, "AccessDenied"),
    ("DELETE", "/alpha/a", {}, 403, "AccessDenied"),
    ("POST", "/alpha?delete", {}, 403, "AccessDenied"),
    ("POST", "/alpha/a?uploads", {}, 403, "AccessDenied"),
    ("PUT", "/alpha/a", {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 403, "AccessDenied"),
    ("TRACE", "/alpha/a", {}, 405, "MethodNotAllowed"),
    ("OPTIONS", "/alpha/a", {}, 400, "InvalidRequest"),
    ("OPTIONS", "/alpha/a", {"Origin": "x://y", "Access-Control-Request-Method": "GET"}, 200, ""),
    ("OPTIONS", "/beta/a", {"Origin": "x://y", "Access-Control-Request-Method": "GET"}, 403, "AccessForbidden"),
    ("GET", "/alpha/~abcd1234.1790000000.1.AAAAAAAAAAAAAAAAAAAAAA/a", {}, 403, "AccessDenied"),
    ("GET", "/alpha/@00000000000000000000000000000000/a", {}, 200, ""),
    ("GET", "/alpha/@00000000000000000000000000000001/a", {}, 404, "NoSuchKey"),
]


@pytest.mark.parametrize(("method", "target", "headers", "status", "code"), TABLE, ids=range(len(TABLE)))
def test_operations_by_code(server, method, target, headers, status, code):
    for _ in range(2):  # the second one from memory, where there is any
        answer = server.ask(method, target, headers)
        found = re.search(rb"<Code>(\w+)</Code>", answer.body)
        assert (answer.status, found[1].decode() if found else "") == (status, code), answer.body
        assert "x-amz-request-id" in answer.headers


def test_the_part_of_an_object(server):
    answer = server.get("/alpha/b%20%26%20c?partNumber=1")
    assert (answer.body, answer.headers["x-amz-mp-parts-count"]) == (b"22", "1")
    assert answer.headers["content-range"] == "bytes 0-1/2"


def test_pages_of_buckets(server):
    names, token = [], ""
    while True:
        root = ET.fromstring(server.get(f"/?max-buckets=1&continuation-token={token}").body)
        names += [e.text for e in root.iter("{http://s3.amazonaws.com/doc/2006-03-01/}Name")]
        token = root.findtext("{http://s3.amazonaws.com/doc/2006-03-01/}ContinuationToken")
        if not token:
            break
    assert names == ["alpha", "atlas", "beta"]


def test_pages_of_versions(server):
    ns = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    found, query = [], "delimiter=/"
    while query:
        root = ET.fromstring(server.get(f"/alpha?versions&max-keys=1&{query}").body)
        found += [e.findtext(f"{ns}Key") for e in root.iter(f"{ns}Version")]
        found += [e.findtext(f"{ns}Prefix") for e in root.iter(f"{ns}CommonPrefixes")]
        marker, version = root.findtext(f"{ns}NextKeyMarker"), root.findtext(f"{ns}NextVersionIdMarker")
        query = marker and f"delimiter=/&key-marker={quote(marker)}&version-id-marker={version or ''}"
    assert found == ["a", "b & c", "d/", "f"]


@pytest.mark.parametrize(
    ("origin", "ok"),
    [("https://a.example.org", True), ("https://b.example.net", True), ("https://a.example.net.evil.org", False),
     ("https://evil.org", False), ("http://a.example.org", False), ("https://.example.net", True), ("null", False),
     ("https://x.example.net\t", True), ("https://evil.org/?.example.net", False)],
)  # fmt: skip
def test_pages_of_other_origins(server, origin, ok):
    for target in ("/atlas/k", "/atlas/k", "/atlas/none", "/atlas"):
        headers = server.get(target, Origin=origin).headers
        assert headers.get("access-control-allow-origin") == (origin.strip() if ok else None)
        assert "Origin" in headers["vary"]
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    assert server.ask("OPTIONS", "/atlas/k", asked).status == (200 if ok else 403)
    assert server.get("/atlas/k").headers["vary"] == "Origin"
    assert server.get("/alpha/a").headers["vary"] == "Origin", "what an image tag cached is not shown to a page"
    assert "access-control-allow-origin" not in server.get("/beta/k", Origin=origin).headers

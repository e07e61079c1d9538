"""Pages through the HTTP API against brute force over the whole list of keys."""

import xml.etree.ElementTree as ET
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s3_fakes import literal

NS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
PART = st.text(st.sampled_from(list("ab/.-+ 0é&<\u20ac\U0001f600")), min_size=1, max_size=6)
KEYS = st.sets(PART, min_size=0, max_size=25)


def fetch(served, bucket, **query):
    text = "&".join(f"{k.replace('_', '-')}={quote(str(v), safe='')}" for k, v in query.items())
    answer = served.get(f"/{bucket}?{text}")
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/xml"
    root = ET.fromstring(answer.body)
    assert root.tag == NS + "ListBucketResult"
    return root


def rows(root, *, encoded):
    name = unquote if encoded else str
    keys = [name(c.find(NS + "Key").text) for c in root.findall(NS + "Contents")]
    prefixes = [name(c.find(NS + "Prefix").text) for c in root.findall(NS + "CommonPrefixes")]
    return keys, prefixes


def expected(keys, prefix, delimiter, after):
    """All keys and common prefixes, in order."""
    found = []
    for key in sorted(keys, key=lambda k: k.encode()):
        if not key.startswith(prefix) or (after and key.encode() <= after.encode()):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        item = (key, True) if at < 0 else (key[: at + len(delimiter)], False)
        if not found or found[-1] != item:
            found.append(item)
    return [k for k, is_key in found if is_key], [k for k, is_key in found if not is_key]


QUERIES = st.tuples(
    KEYS, st.one_of(st.just(""), PART), st.sampled_from(["", "/", "a", "/a", "é"]), st.one_of(st.just(""), PART),
    st.integers(1, 5), st.booleans(),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(QUERIES)
def test_version_2_pages(served, q):
    keys, prefix, delimiter, after, limit, encoded = q
    served.catalog.add("list-two", dict.fromkeys(keys, b"x"))
    query = {"list_type": 2, "prefix": prefix, "delimiter": delimiter, "start_after": after, "max_keys": limit}
    if encoded:
        query["encoding_type"] = "url"
    found, rolled, token = [], [], None
    while True:
        root = fetch(served, "list-two", **query, **({"continuation_token": token} if token else {}))
        k, p = rows(root, encoded=encoded)
        assert len(k) + len(p) == int(root.find(NS + "KeyCount").text) <= limit
        found += k
        rolled += p
        if root.find(NS + "IsTruncated").text == "false":
            assert root.find(NS + "NextContinuationToken") is None
            break
        assert len(k) + len(p) == limit
        token = root.find(NS + "NextContinuationToken").text
    assert (found, rolled) == expected(keys, prefix, delimiter, after)


@settings(max_examples=60, deadline=None)
@given(QUERIES)
def test_version_1_pages(served, q):
    keys, prefix, delimiter, _, limit, encoded = q
    served.catalog.add("list-one", dict.fromkeys(keys, b"x"))
    query = {"prefix": prefix, "delimiter": delimiter, "max_keys": limit}
    if encoded:
        query["encoding_type"] = "url"
    found, rolled, marker = [], [], ""
    while True:
        root = fetch(served, "list-one", **query, marker=marker)
        k, p = rows(root, encoded=encoded)
        found += k
        rolled += p
        if root.find(NS + "IsTruncated").text == "false":
            break
        following = root.find(NS + "NextMarker")
        assert (following is not None) is bool(delimiter)
        marker = k[-1] if following is None else unquote(following.text) if encoded else following.text
    assert (found, rolled) == expected(keys, prefix, delimiter, "")


@pytest.fixture
def bucket(served):
    served.catalog.add("some", dict.fromkeys(("a", "b/1", "b/2", "c", "d\x01", "e\nf"), b"data"))
    return served


def test_entries(bucket):
    root = fetch(bucket, "some", list_type=2, max_keys=1)
    entry = root.find(NS + "Contents")
    head = bucket.ask("HEAD", "/some/a")
    assert entry.find(NS + "ETag").text == head.headers["etag"]
    assert entry.find(NS + "Size").text == head.headers["content-length"] == "4"
    assert entry.find(NS + "LastModified").text == "2023-11-14T22:13:20.000Z"
    assert head.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert entry.find(NS + "Owner") is None
    assert fetch(bucket, "some", list_type=2, fetch_owner="true").find(f"{NS}Contents/{NS}Owner") is not None
    assert fetch(bucket, "some").find(f"{NS}Contents/{NS}Owner") is not None
    assert root.find(NS + "EncodingType") is None


def test_keys_that_xml_cannot_carry(bucket):
    assert rows(fetch(bucket, "some", list_type=2), encoded=False)[0] == ["a", "b/1", "b/2", "c", "e\nf"]
    assert rows(fetch(bucket, "some", list_type=2, encoding_type="url"), encoded=True)[0][-2:] == ["d\x01", "e\nf"]


@pytest.mark.parametrize(("seconds", "year"), [(10**13, "9999"), (253_402_300_800, "9999"), (-(10**12), "1601")])
def test_times_that_no_date_can_say(served, seconds, year):
    served.catalog.add("times", {"k": literal("k", b"x", seconds * 10**9)})
    assert fetch(served, "times").find(f"{NS}Contents/{NS}LastModified").text.startswith(year)
    head = served.ask("HEAD", "/times/k")
    assert (head.status, head.headers["last-modified"][12:16]) == (200, year)


def pages(served, bucket, kind, **query):
    """All keys and prefixes, and how many stood on each page; follows markers as clients do."""
    found, sizes, more = [], [], {}
    while True:
        text = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in {**query, **more}.items())
        root = ET.fromstring(served.get(f"/{bucket}?{kind}&{text}").body)
        names = [e.text for tag in ("Contents", "Version") for e in root.findall(f"{NS}{tag}/{NS}Key")]
        names += [e.text for e in root.findall(f"{NS}CommonPrefixes/{NS}Prefix")]
        found += names
        sizes.append(len(names))
        if root.find(NS + "IsTruncated").text == "false":
            return found, sizes
        if kind == "list-type=2":
            more = {"continuation-token": root.find(NS + "NextContinuationToken").text}
        else:
            marker = root.find(NS + ("NextKeyMarker" if kind == "versions" else "NextMarker"))
            name = "key-marker" if kind == "versions" else "marker"
            more = {name: names[-1] if marker is None else marker.text}


@pytest.mark.parametrize("kind", ["list-type=1", "list-type=2", "versions"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_are_filled_with_what_xml_can_carry(served, kind, delimiter):
    bad = [f"b\x01{i:03}" for i in range(250)] + [f"c\x02{i:03}/x" for i in range(250)]
    long = ["d/" + "x" * 1023, "e" * 1022 + "é/f"]
    good = ["a", "c", "d/e", "f", "g"]
    served.catalog.add("mixed", dict.fromkeys([*bad, *long, *good], b"x"))
    query = {"max-keys": 2, **({"delimiter": delimiter} if delimiter else {})}
    found, sizes = pages(served, "mixed", kind, **query)
    assert (sorted(found), sizes) == (["a", "c", "d/" if delimiter else "d/e", "f", "g"], [2, 2, 1])
    served.catalog.add("bad", dict.fromkeys(bad, b"x"))
    assert pages(served, "bad", kind, **query) == ([], [0])


@pytest.mark.parametrize("kind", ["list-type=1", "list-type=2", "versions"])
@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("tired", [1, 2, 3, 7])
@pytest.mark.parametrize("most", [2, 1000])
def test_pages_that_end_early_lead_on(served, monkeypatch, kind, delimiter, tired, most):
    keys = ["a", "b/1", "b/2", *(f"c{i:02}" for i in range(9)), "d/1", "e", "z 1&<"]
    served.catalog.add("slow", dict.fromkeys(keys, b"x"))
    monkeypatch.setattr(served.catalog, "tired", tired)
    query = {"max-keys": most, "encoding-type": "", **({"delimiter": delimiter} if delimiter else {})}
    expected = sorted({k[: k.find("/") + 1] or k for k in keys} if delimiter else keys)
    found, sizes = pages(served, "slow", kind, **query)
    assert sorted(found) == expected
    assert max(sizes) <= min(tired, most)
    # What is left out, at the end of pages as well, keeps nobody from the rest: some pages are empty.
    monkeypatch.setattr(served.catalog, "hidden", {f"c{i:02}" for i in range(9)} | {"z 1&<"})
    found, sizes = pages(served, "slow", kind, **query)
    assert sorted(found) == [k for k in expected if k not in served.catalog.hidden]


def test_keys_that_are_too_long_are_not_listed(served):
    fits = "é" * 511 + "/x"
    served.catalog.add("long", dict.fromkeys([fits, fits + "y"], b"x"))
    assert served.get(f"/long/{quote(fits)}").status == 200
    assert served.get(f"/long/{quote(fits)}y").status == 400
    assert rows(fetch(served, "long", list_type=2, encoding_type="url"), encoded=True)[0] == [fits]


def test_url_encoding_in_the_raw(served):
    served.catalog.add("odd", {"x/a b+c%.txt": b""})
    body = served.get("/odd?list-type=2&encoding-type=url&prefix=x/").body
    assert b"<Key>x/a%20b%2Bc%25.txt</Key>" in body
    assert b"<Prefix>x/</Prefix>" in body
    assert b"<EncodingType>url</EncodingType>" in body


@pytest.mark.parametrize(("value", "n"), [("0", 0), ("-0", 0), ("3", 3), ("1001", 6), ("2147483647", 6), ("", 6)])
def test_max_keys(bucket, value, n):
    root = fetch(bucket, "some", list_type=2, encoding_type="url", max_keys=value)
    assert len(root.findall(NS + "Contents")) == n
    assert root.find(NS + "IsTruncated").text == ("true" if n == 3 else "false")
    assert int(root.find(NS + "MaxKeys").text) <= 1000


@pytest.mark.parametrize(
    "query",
    ["max-keys=-1", "max-keys=2147483648", "max-keys=99999999999",
     "max-keys=a", "max-keys=1.5", "encoding-type=base64", "list-type=2&continuation-token=x",
     "list-type=2&continuation-token=" + "A" * 40, "prefix=" + "a" * 1025],
)  # fmt: skip
def test_bad_arguments(bucket, query):
    answer = bucket.get(f"/some?{query}")
    assert answer.status == 400
    root = ET.fromstring(answer.body)
    assert root.find("Code").text == "InvalidArgument"
    assert root.find("ArgumentName").text in query


def test_tokens(bucket):
    token = fetch(bucket, "some", list_type=2, max_keys=1).find(NS + "NextContinuationToken").text
    root = fetch(bucket, "some", list_type=2, continuation_token=token, start_after="zzz")
    assert rows(root, encoded=False)[0][0] == "b/1"
    assert root.find(NS + "ContinuationToken").text == token
    for i in range(len(token)):
        other = token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :]
        assert bucket.get(f"/some?list-type=2&continuation-token={other}").status == 400
    bucket.catalog.add("elsewhere", {})
    assert bucket.get(f"/elsewhere?list-type=2&continuation-token={token}").status == 400
    assert rows(fetch(bucket, "some", list_type=2, continuation_token=""), encoded=False)[0][0] == "a"


def test_a_version_1_marker_that_is_a_common_prefix(bucket):
    assert rows(fetch(bucket, "some", delimiter="/", marker="b/"), encoded=False) == (["c", "e\nf"], [])
    assert rows(fetch(bucket, "some", marker="b/"), encoded=False)[0][0] == "b/1"


@pytest.mark.parametrize("kind", ["1", "0", "bogus", ""])
def test_other_list_types_are_version_1(bucket, kind):
    assert fetch(bucket, "some", list_type=kind).find(NS + "Marker") is not None


def test_the_service_is_never_a_bucket_listing(bucket):
    for query in ("", "?list-type=2", "?list-type=2&prefix=some/&delimiter=%2F"):
        assert b"<ListAllMyBucketsResult" in bucket.get("/" + query).body


def test_location_and_head(bucket):
    assert ET.fromstring(bucket.get("/some?location").body).text is None
    head = bucket.ask("HEAD", "/some")
    assert (head.status, head.headers["x-amz-bucket-region"], head.body) == (200, "us-east-1", b"")
    assert bucket.ask("HEAD", "/some/").status == 200
    missing = bucket.get("/nothing/key")
    assert missing.status == 404
    assert b"<Code>NoSuchBucket</Code>" in missing.body
    assert b"<BucketName>nothing</BucketName>" in missing.body

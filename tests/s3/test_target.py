from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.errors import BadRequest, KeyTooLong, MethodNotAllowed, NotSupported
from s3facade.s3.operations import SUBRESOURCES, classify
from s3facade.s3.target import parse

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("raw", "bucket", "key"),
    [("/", None, ""), ("/b", "b", ""), ("/b/", "b", ""), ("/b/k", "b", "k"), ("/b//k", "b", "/k"), ("//k", "", "k"),
     ("/b/./../k", "b", "./../k"),
     ("/b/a+b%20c%2Bd%25", "b", "a+b c+d%"), ("/b/%2561", "b", "%61"), ("/b/d/", "b", "d/"),
     ("/b/a%2Fb", "b", "a/b"), ("http://host:80/b/k?x", "b", "k"), ("/b/!$&'()*,;=:@~", "b", "!$&'()*,;=:@~"),
     ("/b/%61", "b", "a"), ("/b/é", "b", "é"), ("http://host", None, "")],
)  # fmt: skip
def test_path_style(raw, bucket, key):
    target = parse(raw, "host:9000", ("s3.test",))
    assert (target.bucket, target.key) == (bucket, key)


@pytest.mark.parametrize(
    ("host", "bucket", "key"),
    [("b.s3.test", "b", "c/k"), ("B.S3.test:9000", "b", "c/k"), ("a.b.s3.test", "a.b", "c/k"), ("s3.test", "c", "k"),
     ("other.test", "c", "k"), ("xs3.test", "c", "k"), ("", "c", "k"), ("[::1]:80", "c", "k")],
)  # fmt: skip
def test_virtual_host_style(host, bucket, key):
    target = parse("/c/k", host, ("s3.test",))
    assert (target.bucket, target.key) == (bucket, key)


@given(TEXT)
def test_any_key_comes_back(key):
    for safe in ("/", "", "/!$&'()*,;=:@+"):
        assert parse("/b/" + quote(key, safe=safe), "", ()).key == key


@given(st.dictionaries(TEXT, TEXT, max_size=4))
def test_queries(query):
    text = "&".join(f"{quote(k, safe='')}={quote(v, safe='').replace('%20', '+')}" for k, v in query.items())
    assert parse(f"/b?{text}", "", ()).query == query


@pytest.mark.parametrize(
    "raw", ["/b/%", "/b/%2", "/b/%zz", "/b/%ff", "/b/%c0%af", "/b/%ed%a0%80", "/b?prefix=%f", "x", "*"]
)
def test_broken(raw):
    with pytest.raises(BadRequest):
        parse(raw, "", ())


def test_key_length():
    assert len(parse("/b/" + "%C3%A9" * 512, "", ()).key) == 512
    for key in ("a" * 1025, "%C3%A9" * 513):
        with pytest.raises(KeyTooLong):
            parse("/b/" + key, "", ())


@pytest.mark.parametrize("name", SUBRESOURCES)
def test_sub_resources_one_by_one(name):
    for path in ("/", "/b", "/b/k"):
        for tail in (name, f"{name}=", f"{name}=1&list-type=2"):
            with pytest.raises(NotSupported):
                classify("GET", parse(f"{path}?{tail}", "", ()))
        with pytest.raises(MethodNotAllowed):
            classify("HEAD", parse(f"{path}?{name}", "", ()))


@pytest.mark.parametrize(
    ("method", "raw", "operation"),
    [("GET", "/", "ListBuckets"), ("GET", "/?list-type=2", "ListBuckets"), ("HEAD", "/b", "HeadBucket"),
     ("GET", "/b?location", "GetBucketLocation"), ("GET", "/b?list-type=2", "ListObjects"),
     ("GET", "/b/", "ListObjects"),
     ("GET", "/b/k?x-id=GetObject&unknown", "GetObject"), ("HEAD", "/b/k?versionId=null", "HeadObject")],
)  # fmt: skip
def test_operations(method, raw, operation):
    assert classify(method, parse(raw, "", ())) == operation

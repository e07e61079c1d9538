from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.errors import BadRequest, KeyTooLong, MethodNotAllowed, NotSupported
from s3facade.s3.operations import OF_BUCKETS, OF_OBJECTS, SUBRESOURCES, classify
from s3facade.s3.target import parse, virtual

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
    for path, known in (("/", {}), ("/b", OF_BUCKETS), ("/b/k", OF_OBJECTS)):
        for tail in (name, f"{name}=", f"{name}=1&list-type=2"):
            if name in known:
                assert classify("GET", parse(f"{path}?{tail}", "", ())) == (known[name], name)
            else:
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
    assert classify(method, parse(raw, "", ()))[0] == operation


def test_two_sub_resources_at_once_are_no_operation():
    with pytest.raises(NotSupported):
        classify("GET", parse("/b?acl&cors", "", ()))


DOMAINS = ("s3.test", "*.wild.test", "host.test")


@pytest.mark.parametrize(
    ("host", "bucket"),
    [("b.s3.test", "b"), ("B.S3.test:9000", "b"), ("a.b.s3.test", "a.b"), ("s3.test", None), ("s3.test:80", None),
     ("xs3.test", None), ("127.0.0.1:9000", None), ("[::1]:9000", None), ("", None), ("b.any.wild.test", "b"),
     ("any.wild.test", None), ("b.host.test", "b"), ("b.s3.host.test", "b"), ("b.s3.eu-west-1.host.test", "b"),
     ("b.s3.dualstack.eu-west-1.host.test", "b"), ("b.s3-eu-west-1.host.test", "b"), ("s3.host.test", None),
     ("s3.eu-west-1.host.test", None), ("s3.dualstack.eu-west-1.host.test", None), (".s3.test", None),
     ("s3-data.host.test", "s3-data"), ("s3.data.host.test", "s3.data"), ("s3x.host.test", "s3x"),
     ("s3-data.s3.host.test", "s3-data"), ("s3-eu-west-1.host.test", None), ("s3-data.any.wild.test", "s3-data")],
)  # fmt: skip
def test_hosts(host, bucket):
    assert virtual(host, DOMAINS) == bucket


TOKEN = "~abcd1234.1790000000.3." + "A" * 22
PIN = "@" + "0f" * 16


@pytest.mark.parametrize(
    ("key", "lead", "rest"),
    [("a/b", "", "a/b"), (f"{TOKEN}/a/b", TOKEN + "/", "a/b"), (f"{PIN}/a", PIN + "/", "a"), (TOKEN, TOKEN, ""),
     (f"{TOKEN}/{PIN}/a", f"{TOKEN}/{PIN}/", "a"), (f"{PIN}/{TOKEN}/a", PIN + "/", f"{TOKEN}/a"),
     (f"{TOKEN}x/a", "", f"{TOKEN}x/a"), ("~home/a", "", "~home/a"), (f"a/{PIN}/b", "", f"a/{PIN}/b"),
     ("@2/a", "", "@2/a"), (PIN.upper() + "/a", "", PIN.upper() + "/a"), (f"{TOKEN}//a", TOKEN + "/", "/a"),
     (f"{TOKEN}/../a", TOKEN + "/", "../a")],
)  # fmt: skip
def test_what_stands_before_a_key(key, lead, rest):
    target = parse("/b/" + quote(key), "", ())
    assert (target.lead, target.key, target.whole) == (lead, rest, False)
    listed = parse("/b?prefix=" + quote(key), "", ())
    assert (listed.lead, listed.key, listed.whole) == (lead, "", True)
    assert target.link == (TOKEN[1:] if TOKEN in lead else "")
    assert target.pin == (PIN[1:] if PIN in lead else "")

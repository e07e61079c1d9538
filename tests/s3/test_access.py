"""Who sees what, with boto3 as the client and the real door keeper."""

import socket
import urllib.request
import xml.etree.ElementTree as ET

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import serving
from s3_fakes import FakeCatalog

from s3facade.auth.authenticator import Authenticator
from s3facade.auth.keys import Credential
from s3facade.s3.target import virtual

MADE = []
MANY = {f"n/{i}": b"x" for i in range(2500)}
ODD = "d é/a+b %25&<c>.tif"


@pytest.fixture(scope="module")
def server():
    catalog = FakeCatalog()
    catalog.add("open", {"k": b"data", ODD: b"odd", **MANY}, cache_control="max-age=60")
    catalog.add("lab", {"k": b"lab"}, access="private").add("vault", {"k": b"vault"}, access="private")
    guard = Authenticator(
        [Credential("LAB", "secret-1", {"lab": ("",)}), Credential("ALL", "secret-2")],
        bucket_of=lambda host: virtual(host, ("localhost",)),
    )
    with serving(catalog, guard=guard, domains=("localhost",)) as s:
        yield s


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """Resolve bucket.localhost, which not every machine does; close what was opened."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: resolve("127.0.0.1" if host.endswith("localhost") else host, *a, **k),
    )
    yield
    while MADE:
        MADE.pop().close()


def client(server, key=None, secret="", version="s3v4", region="us-east-1", style="path", host="127.0.0.1"):
    options = {"addressing_style": style}
    retries = {"max_attempts": 1}
    if key is None:
        config = Config(signature_version=UNSIGNED, s3=options, retries=retries)
    else:
        config = Config(signature_version=version, s3=options, retries=retries)
    made = boto3.client(
        "s3", endpoint_url=f"http://{host}:{server.port}", region_name=region, config=config,
        aws_access_key_id=key, aws_secret_access_key=secret or None,
    )  # fmt: skip
    MADE.append(made)
    return made


def code(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


WHO = [
    (None, "", {"open"}, False),
    ("LAB", "secret-1", {"open", "lab"}, False),
    ("ALL", "secret-2", {"open", "lab", "vault"}, True),
]


@pytest.mark.parametrize(("key", "secret", "seen", "all_"), WHO)
def test_what_each_may_see(server, key, secret, seen, all_):
    s3 = client(server, key, secret)
    assert {b["Name"] for b in s3.list_buckets()["Buckets"]} == seen
    for name in ("open", "lab", "vault"):
        if name in seen:
            assert s3.get_object(Bucket=name, Key="k")["Body"].read()
            assert code(s3.get_object, Bucket=name, Key="missing") == "NoSuchKey"
            assert code(s3.head_object, Bucket=name, Key="missing") == "404"
        else:
            for key_ in ("k", "missing"):
                assert code(s3.get_object, Bucket=name, Key=key_) == "AccessDenied"
                assert code(s3.head_object, Bucket=name, Key=key_) == "403"
            assert code(s3.list_objects_v2, Bucket=name) == "AccessDenied"
            assert code(s3.get_bucket_location, Bucket=name) == "AccessDenied"
    # Who may not see every bucket does not learn which ones exist.
    assert code(s3.get_object, Bucket="nothing", Key="k") == ("NoSuchBucket" if all_ else "AccessDenied")


@pytest.mark.parametrize(
    ("key", "secret", "wanted"), [("LAB", "wrong", "SignatureDoesNotMatch"), ("WHO", "x", "InvalidAccessKeyId")]
)
def test_a_bad_signature_is_refused_on_public_buckets_too(server, key, secret, wanted):
    s3 = client(server, key, secret)
    assert client(server).get_object(Bucket="open", Key="k")["Body"].read() == b"data"
    assert code(s3.get_object, Bucket="open", Key="k") == wanted
    assert code(s3.list_buckets) == wanted


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_reading_with_boto3(server, style):
    s3 = client(server, "LAB", "secret-1", style=style, host="localhost")
    answer = s3.get_object(Bucket="open", Key=ODD, Range="bytes=1-")
    assert (answer["Body"].read(), answer["ContentRange"]) == (b"dd", "bytes 1-2/3")
    head = s3.head_object(Bucket="open", Key=ODD)
    assert head["CacheControl"] == "max-age=60"
    assert s3.get_object(Bucket="open", Key=ODD, IfMatch=head["ETag"])["Body"].read() == b"odd"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="open")
    assert [o["Key"] for p in pages for o in p["Contents"]] == sorted(["k", ODD, *MANY])
    first = s3.get_paginator("list_objects").paginate(Bucket="open", Delimiter="/")
    assert [c["Prefix"] for p in first for c in p.get("CommonPrefixes", [])] == ["d é/", "n/"]
    assert s3.get_bucket_location(Bucket="lab")["LocationConstraint"] is None
    assert s3.head_bucket(Bucket="lab")["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"


def test_overrides_on_signed_requests(server):
    s3 = client(server, "LAB", "secret-1")
    answer = s3.get_object(
        Bucket="open", Key="k", ResponseContentType="text/html", ResponseContentDisposition='attachment; filename="é"'
    )
    answer["Body"].read()
    assert answer["ContentType"] == "text/html"
    assert answer["ContentDisposition"].startswith("attachment")
    assert code(s3.get_object, Bucket="open", Key="k", ResponseContentType="a\r\nX: y") == "InvalidRequest"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_links(server, version, style):
    s3 = client(server, "LAB", "secret-1", version, style=style, host="localhost")
    for arguments in ({"Key": "k"}, {"Key": "k", "ResponseContentType": "image/x y"}):
        url = s3.generate_presigned_url("get_object", {"Bucket": "lab", **arguments}, ExpiresIn=60)
        assert ("AWSAccessKeyId" in url) is (version == "s3")
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"lab"
            assert answer.headers["Content-Type"] == arguments.get("ResponseContentType", "application/octet-stream")


@pytest.mark.parametrize("operation", ["put_object", "delete_object", "create_multipart_upload", "put_object_acl"])
def test_writes(server, operation):
    s3 = client(server, "ALL", "secret-2")
    extra = {"Body": b"x" * 100_000} if operation == "put_object" else {}
    assert code(getattr(s3, operation), Bucket="lab", Key="k", **extra) == "AccessDenied"
    assert code(s3.create_bucket, Bucket="another") == "AccessDenied"


def test_private_answers_are_not_remembered_for_others(server):
    s3 = client(server, "LAB", "secret-1")
    for _ in range(3):
        assert s3.get_object(Bucket="lab", Key="k")["Body"].read() == b"lab"
    answer = server.get("/lab/k")
    assert answer.status == 403
    assert ET.fromstring(answer.body).find("Code").text == "AccessDenied"


@pytest.mark.parametrize("bucket", ["lab", "vault", "nothing"])
def test_the_region_is_told_to_everybody(server, bucket):
    head = server.ask("HEAD", f"/{bucket}")
    assert (head.status, head.headers["x-amz-bucket-region"]) == (403, "us-east-1")

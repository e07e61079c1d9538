"""botocore signs, we verify; then one thing is changed at a time."""

import time
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from s3facade.auth.authenticator import Authenticator
from s3facade.auth.keys import Credential
from s3facade.auth.policy import ANONYMOUS, Principal, may
from s3facade.auth.sigv4 import Scope, SigningKeys, read_header
from s3facade.core import errors as e

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "localhost:9000"
KEYS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


def guard(clock=time.time, **options):
    return Authenticator([Credential(KEY, SECRET, {"lab": ("",)})], clock, **options)


def signed(signer, path="/lab/a%20b%2Bc.tif", query="", method="GET", region="eu-central-1", headers=None, **options):
    """(method, target, headers, host) of a request that botocore signed."""
    request = AWSRequest(method, f"http://{HOST}{path}{query}", headers={"Host": HOST, **(headers or {})})
    credentials = Credentials(KEY, SECRET, options.pop("token", None))
    if signer is HmacV1QueryAuth:
        signer(credentials, **options).add_auth(request)
    else:
        signer(credentials, "s3", region, **options).add_auth(request)
    split = urlsplit(request.url)
    sent = CIMultiDict((k, str(v)) for k, v in request.headers.items() if k != "Date")
    sent["Host"] = HOST
    if signer is not S3SigV4Auth:
        sent = CIMultiDict(Host=HOST)
    return method, split.path + (f"?{split.query}" if split.query else ""), sent, HOST


SIGNERS = [S3SigV4Auth, S3SigV4QueryAuth, HmacV1QueryAuth]


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "nowhere-9"])
def test_what_botocore_signs_is_accepted(signer, method, region):
    principal = guard().verify(*signed(signer, method=method, region=region))
    assert principal == Principal(KEY, signed=True, grants={"lab": ("",)})


@settings(max_examples=60, deadline=None)
@given(key=KEYS, value=KEYS, signer=st.sampled_from(SIGNERS))
def test_any_key_and_query(key, value, signer):
    from urllib.parse import quote

    path = "/lab/" + quote(key, safe="/~")
    guard().verify(*signed(signer, path, f"?response-content-type={quote(value, safe='~')}&list-type=2&x"))


def test_other_spellings_of_the_same_path():
    method, _, headers, host = signed(S3SigV4Auth, "/lab/a~b", "?prefix=a%2Fb&delimiter=%2F")
    guard().verify(method, "/lab/%61%7eb?delimiter=/&prefix=a/b", headers, host)


@pytest.mark.parametrize("date", ["Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:20 -0000",
                                  "Tue Nov 14 22:13:20 2023", "Tue, 14 Nov 2023 23:13:20 +0100"])  # fmt: skip
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_date_header_is_read_alike_in_every_time_zone(monkeypatch, date, zone):
    scope = f"Credential={KEY}/20231114/us-east-1/s3/aws4_request"
    headers = CIMultiDict({
        "Date": date, "Host": HOST, "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host;x-amz-content-sha256, Signature=0",
    })  # fmt: skip
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert read_header("GET", "/lab/k", headers, HOST, 1_700_000_000).stamp == "20231114T221320Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_session_token_is_tolerated():
    guard().verify(*signed(S3SigV4QueryAuth, token="t/+="))
    guard().verify(*signed(S3SigV4Auth, token="t/+="))


MUTATIONS = {
    "method": lambda m, t, h, o: ("HEAD", t, h, o),
    "path": lambda m, t, h, o: (m, t.replace("b%2Bc", "b%2Bd"), h, o),
    "plus is not a space": lambda m, t, h, o: (m, t.replace("b%2Bc", "b%20c"), h, o),
    "host": lambda m, t, h, o: (m, t, h, "localhost:9001"),
    "added parameter": lambda m, t, h, o: (m, t + ("&" if "?" in t else "?") + "response-content-type=a", h, o),
}


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_request_is_refused(signer, name):
    if signer is HmacV1QueryAuth and name == "host":
        pytest.skip("version 2 does not sign the host")
    with pytest.raises(e.BadSignature):
        guard().verify(*MUTATIONS[name](*signed(signer)))


def header(change):
    method, target, headers, host = signed(S3SigV4Auth)
    change(headers)
    return method, target, headers, host


def replaced(name, old, new):
    def change(headers):
        assert old in headers[name]
        headers[name] = headers[name].replace(old, new)

    return change


def other_hex(headers):
    text = headers["Authorization"]
    headers["Authorization"] = text[:-1] + ("0" if text[-1] != "0" else "1")


HEADER_TABLE = [
    (other_hex, e.BadSignature),
    (lambda h: h.update({"Authorization": h["Authorization"][:-64] + "é" * 64}), e.BadSignature),
    (lambda h: h.update({"Authorization": h["Authorization"][:-64]}), e.BadSignature),
    (replaced("Authorization", KEY, "SOMEBODY"), e.UnknownKey),
    (replaced("Authorization", "/s3/", "/ec2/"), e.BadAuthorization),
    (replaced("Authorization", "/eu-central-1", "/us-east-2"), e.BadSignature),
    (replaced("Authorization", "aws4_request", "aws5_request"), e.BadAuthorization),
    (replaced("Authorization", "SignedHeaders", "Headers"), e.BadAuthorization),
    (replaced("Authorization", "host;", ""), e.BadSignature),
    (replaced("Authorization", "AWS4-HMAC-SHA256 ", "AWS "), e.BadRequest),
    (replaced("Authorization", "AWS4-HMAC-SHA256 ", "Basic "), e.BadRequest),
    (lambda h: h.update({"Authorization": ""}), e.BadRequest),
    (lambda h: h.add("Authorization", h["Authorization"]), e.BadAuthorization),
    (lambda h: h.update({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}), e.BadSignature),
    (lambda h: h.update({"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}), e.AccessDenied),
    (lambda h: h.update({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}), e.AccessDenied),
    (lambda h: h.pop("x-amz-content-sha256"), e.BadRequest),
    (lambda h: h.update({"x-amz-date": "20200101T000000Z"}), e.ClockSkew),
    (lambda h: h.update({"x-amz-date": "20201301T000000Z"}), e.AccessDenied),
    (lambda h: h.pop("x-amz-date"), e.AccessDenied),
    (lambda h: h.add("x-amz-meta-a", "b"), e.AccessDenied),
]


@pytest.mark.parametrize(("change", "error"), HEADER_TABLE, ids=range(len(HEADER_TABLE)))
def test_header_mutations(change, error):
    with pytest.raises(error):
        guard().verify(*header(change))


@pytest.mark.parametrize(("offset", "ok"), [(-901, False), (-890, True), (890, True), (901, False)])
def test_clock_skew(offset, ok):
    request = signed(S3SigV4Auth)
    door = guard(lambda: time.time() + offset)
    if ok:
        assert door.verify(*request).signed
    else:
        with pytest.raises(e.ClockSkew):
            door.verify(*request)


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_a_link_expires(signer):
    request = signed(signer, expires=60)
    assert guard(lambda: time.time() + 55).verify(*request).signed
    with pytest.raises(e.AccessDenied, match="expired"):
        guard(lambda: time.time() + 65).verify(*request)


def test_a_link_from_the_future():
    with pytest.raises(e.AccessDenied, match="not yet valid"):
        guard(lambda: time.time() - 1000).verify(*signed(S3SigV4QueryAuth))


@pytest.mark.parametrize("expires", [0, -1, 604801])
def test_expiry_bounds(expires):
    with pytest.raises(e.BadQueryAuthorization):
        guard().verify(*signed(S3SigV4QueryAuth, expires=expires))
    assert guard().verify(*signed(S3SigV4QueryAuth, expires=604800)).signed


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_links_with_a_parameter_missing_or_twice(signer):
    method, target, headers, host = signed(signer)
    path, _, query = target.partition("?")
    items = query.split("&")
    for i, item in enumerate(items):
        for kept in (items[:i] + items[i + 1 :], [*items, item]):
            with pytest.raises(e.AuthError):
                guard().verify(method, f"{path}?{'&'.join(kept)}", headers, host)


def test_signed_twice():
    method, _, headers, host = signed(S3SigV4Auth)
    with pytest.raises(e.BadRequest):
        guard().verify(method, signed(S3SigV4QueryAuth)[1], headers, host)


def test_version_2_signs_the_bucket_of_the_host():
    request = AWSRequest("GET", "http://lab.s3.test/a", headers={})
    request.auth_path = "/lab/a"
    HmacV1QueryAuth(Credentials(KEY, SECRET)).add_auth(request)
    target = "/a?" + urlsplit(request.url).query
    door = guard(bucket_of=lambda host: host.partition(".")[0])
    assert door.verify("GET", target, CIMultiDict(), "lab.s3.test:80").signed
    with pytest.raises(e.BadSignature):
        door.verify("GET", target, CIMultiDict(), "other.s3.test")


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_unknown_key_in_a_link(signer):
    method, target, headers, host = signed(signer)
    with pytest.raises(e.UnknownKey):
        guard().verify(method, target.replace(KEY, "SOMEBODY"), headers, host)


@pytest.mark.parametrize("target", ["/", "/b/k?list-type=2", "/b/k?signature=1&X-Amz-Nothing=2"])
def test_unsigned_is_anonymous(target):
    assert guard().verify("GET", target, CIMultiDict(), HOST) is ANONYMOUS


def test_the_secret_is_not_shown():
    assert SECRET not in repr(Credential(KEY, SECRET))


class Bucket:
    def __init__(self, name, access):
        self.name, self.access = name, access


@pytest.mark.parametrize(
    ("grants", "lab", "secret", "open_", "unknown"),
    [
        ({}, False, False, True, False),
        ({"lab": ("",)}, True, False, True, False),
        (None, True, True, True, True),
    ],
)
def test_policy(grants, lab, secret, open_, unknown):
    who = Principal("k", signed=True, grants=grants)
    assert may(who, Bucket("lab", "private")) is lab
    assert may(who, Bucket("secret", "private")) is secret
    assert may(who, Bucket("open", "public")) is open_
    assert may(who, None) is unknown


def test_many_regions_do_not_pile_up():
    keys, credential = SigningKeys(), Credential(KEY, SECRET)
    for i in range(3000):
        keys.get(credential, Scope(KEY, "20260101", f"r-{i}", f"20260101/r-{i}/s3/aws4_request"))
    assert len(keys._keys) <= 1024


def changed_query(old, new):
    method, target, headers, host = signed(S3SigV4QueryAuth)
    assert old in target
    return method, target.replace(old, new, 1), headers, host


QUERY_TABLE = [
    ("X-Amz-Expires=3600", "X-Amz-Expires=0", e.BadQueryAuthorization),
    ("X-Amz-Expires=3600", "X-Amz-Expires=-1", e.BadQueryAuthorization),
    ("X-Amz-Expires=3600", "X-Amz-Expires=604801", e.BadQueryAuthorization),
    ("X-Amz-Expires=3600", "X-Amz-Expires=9999999999999", e.BadQueryAuthorization),
    ("X-Amz-Expires=3600", "X-Amz-Expires=3600.0", e.BadQueryAuthorization),
    ("X-Amz-Expires=3600", "X-Amz-Expires=%D9%A3", e.BadQueryAuthorization),
    ("X-Amz-Expires=3600", "X-Amz-Expires=", e.BadQueryAuthorization),
    ("X-Amz-Expires=3600", "X-Amz-Expires=3601", e.BadSignature),
    ("X-Amz-Expires=3600", "X-Amz-Expires=3600&X-Amz-Expires=3600", e.BadQueryAuthorization),
    ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", e.BadQueryAuthorization),
    ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", e.BadQueryAuthorization),
    ("%2Fs3%2F", "%2Fiam%2F", e.BadQueryAuthorization),
    ("%2Faws4_request", "%2Faws4", e.BadQueryAuthorization),
    ("%2Feu-central-1", "%2Fus-east-1", e.BadSignature),
    ("X-Amz-Credential=" + KEY, "X-Amz-Credential=" + KEY + "%2F", e.UnknownKey),
    ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", e.BadSignature),
    ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range", e.BadSignature),
    ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3Brange", e.BadSignature),
    ("X-Amz-Signature=", "X-Amz-Signature=0", e.BadSignature),
    ("X-Amz-Signature=", "X-Amz-Signature=%20", e.BadSignature),
    ("X-Amz-Signature=", "X-Amz-Signature=&a=", e.BadSignature),
    ("X-Amz-Date=2", "X-Amz-Date=1", e.BadQueryAuthorization),
    ("X-Amz-Date=", "X-Amz-Date=x", e.BadQueryAuthorization),
    ("X-Amz-Algorithm", "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Algorithm", e.BadSignature),
    (
        "X-Amz-Algorithm",
        "X-Amz-Content-Sha256=STREAMING-AWS4-HMAC-SHA256-PAYLOAD&X-Amz-Algorithm",
        e.AccessDenied,
    ),
    ("X-Amz-Algorithm", "X-Amz-Security-Token=t&X-Amz-Algorithm", e.BadSignature),
    ("/lab/", "/lab//", e.BadSignature),
    ("/lab/", "/lab/./", e.BadSignature),
    ("/lab/", "/other/", e.BadSignature),
]


@pytest.mark.parametrize(("old", "new", "error"), QUERY_TABLE, ids=range(len(QUERY_TABLE)))
def test_query_mutations(old, new, error):
    with pytest.raises(error):
        guard().verify(*changed_query(old, new))


@pytest.mark.parametrize("signer", [S3SigV4Auth, S3SigV4QueryAuth, HmacV1QueryAuth])
@pytest.mark.parametrize(("token", "error"), [("T/+=", None), ("t", e.BadToken), (None, e.UnknownKey)])
def test_session_tokens(signer, token, error):
    door = Authenticator([Credential(KEY, SECRET, None, token="T/+=")])
    request = signed(signer, token=token)
    if error is None:
        assert door.verify(*request).signed
    else:
        with pytest.raises(error):
            door.verify(*request)


def test_knowing_others_from_now_on():
    door, request = guard(), signed(S3SigV4Auth)
    assert door.verify(*request).signed
    door.replace([Credential(KEY, SECRET + "x")], None)
    with pytest.raises(e.BadSignature):
        door.verify(*request)
    door.replace([], None)
    with pytest.raises(e.UnknownKey):
        door.verify(*request)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_both_ways_through_the_header_agree(data):
    """A door that has seen this client says what a new one says, whatever has changed since."""
    agent = {"user-agent": "a/1  b"} if data.draw(st.booleans()) else {}
    first = signed(S3SigV4Auth, headers=agent)
    method, target, headers, _ = signed(
        S3SigV4Auth,
        path=data.draw(st.sampled_from(["/lab/a%20b%2Bc.tif", "/lab/~x", "/lab/%7Ex", "/lab/a+b"])),
        query=data.draw(st.sampled_from(["", "?a=b"])),
        method=data.draw(st.sampled_from(["GET", "HEAD"])),
        headers=agent,
    )
    for _ in range(data.draw(st.integers(0, 2))):
        name = data.draw(st.sampled_from([*headers]))
        change = data.draw(st.sampled_from(["characters", "take away", "twice", "add"]))
        if change == "characters":
            text = headers[name]
            at = data.draw(st.integers(0, 400)) % (len(text) + 1)
            headers[name] = text[:at] + data.draw(st.sampled_from(["", " ", "0", "x", ";", "é"])) + text[at + 1 :]
        elif change == "take away" and name != "Authorization":
            del headers[name]
        elif change == "twice":
            headers.add(name, headers[name])
        else:
            headers.add(data.draw(st.sampled_from(["x-amz-meta-a", "X-AMZ-Date", "Range", "range"])), "b")
    late = data.draw(st.sampled_from([0, 0, 0, 1000, -1000]))
    known, new = guard(lambda: time.time() + late), guard(lambda: time.time() + late)
    known._clock, clock = time.time, known._clock
    for _ in range(2):
        assert known.verify(*first).signed
    known._clock = clock

    def outcome(door):
        try:
            return door.verify(method, target, headers, headers.get("Host", ""))
        except e.RequestError as error:
            return type(error)

    assert outcome(known) == outcome(new)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"amz-sdk-request": "attempt=1;  max=3"}])
def test_a_session_says_yes(headers, monkeypatch):
    """The second request of a client does not go the long way, whatever it asks for."""
    door = guard()
    assert door.verify(*signed(S3SigV4Auth, headers=headers)).signed
    monkeypatch.setattr("s3facade.auth.sigv4.check", None)
    for path in ("/lab/b", "/lab/%C3%A9%2B", "/"):
        for method in ("GET", "HEAD"):
            assert door.verify(*signed(S3SigV4Auth, path, method=method, headers=headers)).signed
    other = signed(S3SigV4Auth, headers={"x-amz-meta-a": "b"})
    with pytest.raises(TypeError):
        door.verify(*other)


def test_only_right_signatures_are_remembered():
    door = guard()
    method, target, headers, host = signed(S3SigV4Auth)
    other_hex(headers)
    for _ in range(3):
        with pytest.raises(e.BadSignature):
            door.verify(method, target, headers, host)
    assert not door._sessions._known
    for i in range(600):
        assert door.verify(*signed(S3SigV4Auth, region=f"r-{i}")).signed
    assert 0 < len(door._sessions._known) <= 256

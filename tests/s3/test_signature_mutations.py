"""botocore signs, one thing is changed, a real server is asked over a socket: refused with S3's code, never a 5xx.

Each change is asked for before and behind a request that is right, on one connection: the second time the server
remembers the target, and answers what it may without a task.
"""

import datetime as dt
import http.client
import re
import time
from contextlib import closing
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from conftest import serving
from hypothesis import given, settings
from hypothesis import strategies as st
from s3_fakes import FakeCatalog
from s3_signed import HEADER, KEY, OLD, QUERY, REGION, SECRET, TEMPORARY, TOKEN, sign

from s3facade.auth.authenticator import Authenticator
from s3facade.auth.keys import Credential

BODY = b"pixels"


@pytest.fixture(scope="module")
def server():
    catalog = FakeCatalog().add("lab", {"a b+c.tif": BODY, "d": b"other"}, access="private").add("open", {"k": b"open"})
    door = Authenticator([Credential(KEY, SECRET, {"lab": ("",)}), Credential(TEMPORARY, SECRET[::-1], None, TOKEN)])
    with serving(catalog, guard=door) as s:
        yield s


def ask(sock, request):
    """Status, code and body of one answer; whether the connection stays open."""
    sock.sendall(request.raw())
    response = http.client.HTTPResponse(sock, method=request.method)
    response.begin()
    body = response.read()
    assert response.headers["x-amz-request-id"]
    assert int(response.headers["Content-Length"] or 0) == len(body) or request.method == "HEAD"
    found = re.search(rb"<Code>(\w+)</Code>", body)
    return response.status, found[1].decode() if found else "", body, response.headers["Connection"] != "close"


def refused(server, good, bad):
    """Ask for ``bad``, ``good``, ``bad``; the refusals of both."""
    found, sock = [], None
    for request in (bad, good, bad):
        sock = sock or server.connect()
        status, code, body, stays = ask(sock, request)
        if request is good:
            assert (status, body) == ((206 if "Range" in dict(good.headers) else 200), BODY)
        else:
            assert BODY not in body
            found.append((status, code))
        if not stays:
            with closing(sock):
                assert sock.recv(1) == b"", "announced to be closed, and closed"
            sock = None
    if sock:
        sock.close()
    return found


MISMATCH = (403, "SignatureDoesNotMatch")
DENIED = (403, "AccessDenied")
UNKNOWN = (403, "InvalidAccessKeyId")
MALFORMED = (400, "AuthorizationHeaderMalformed")
PARAMETERS = (400, "AuthorizationQueryParametersError")
INVALID = (400, "InvalidRequest")
SKEWED = (403, "RequestTimeTooSkewed")

IN_ANY = {
    "method": (lambda r: replace(r, method="HEAD"), (403, "")),
    "another key": (lambda r: r.spell("a%20b%2Bc.tif", "d"), MISMATCH),
    "a missing key": (lambda r: r.spell("a%20b%2Bc.tif", "none"), MISMATCH),
    "another bucket": (lambda r: r.spell("/lab/", "/open/"), MISMATCH),
    "the bucket itself": (lambda r: r.spell("a%20b%2Bc.tif", ""), MISMATCH),
    "the service": (lambda r: r.spell("/lab/a%20b%2Bc.tif", "/"), MISMATCH),
    "case": (lambda r: r.spell(".tif", ".TIF"), MISMATCH),
    "plus in the path": (lambda r: r.spell("a%20b", "a+b"), MISMATCH),
    "a space for a plus": (lambda r: r.spell("b%2Bc", "b%20c"), MISMATCH),
    "escaped twice": (lambda r: r.spell("a%20b", "a%2520b"), MISMATCH),
    "two slashes": (lambda r: r.spell("/lab/", "/lab//"), MISMATCH),
    "a dot segment": (lambda r: r.spell("/lab/", "/lab/./"), MISMATCH),
    "two dots": (lambda r: r.spell("/lab/", "/lab/x/../"), MISMATCH),
    "a slash behind": (lambda r: r.spell(".tif", ".tif/"), MISMATCH),
    "a broken escape": (lambda r: r.spell("a%20b", "a%2b%2"), INVALID),
    "a sub-resource": (lambda r: query(r, "acl"), MISMATCH),
    "a header in its place": (lambda r: query(r, "response-content-type=text/html"), MISMATCH),
}


def query(request, item):
    return replace(request, target=f"{request.target}{'&' if '?' in request.target else '?'}{item}")


def authorization(old, new):
    return lambda r: r.swap("Authorization", old, new)


def signature(change):
    """The 64 digits behind the last equals sign, changed."""
    return lambda r: r.put("Authorization", r["Authorization"][:-64] + change(r["Authorization"][-64:]))


def later(request, seconds):
    stamp = dt.datetime.strptime(request["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z") + dt.timedelta(seconds=seconds)
    return request.put("X-Amz-Date", stamp.strftime("%Y%m%dT%H%M%SZ"))


IN_HEADER = {
    "host": (lambda r: r.put("Host", "files.test"), MISMATCH),
    "range": (lambda r: r.put("Range", "bytes=0-8"), MISMATCH),
    "range without": (lambda r: r.put("Range", None), MISMATCH),
    "range twice": (lambda r: r.add("Range", "bytes=0-9"), MISMATCH),
    "checksum mode": (lambda r: r.put("x-amz-checksum-mode", "DISABLED"), MISMATCH),
    "checksum mode without": (lambda r: r.put("x-amz-checksum-mode", None), MISMATCH),
    "payload": (lambda r: r.put("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), MISMATCH),
    "payload, another": (lambda r: r.put("x-amz-content-sha256", "0" * 64), MISMATCH),
    "payload without": (lambda r: r.put("x-amz-content-sha256", None), INVALID),
    "payload, a stream": (lambda r: r.put("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), DENIED),
    "date": (lambda r: later(r, 1), MISMATCH),
    "date, long ago": (lambda r: r.put("X-Amz-Date", "20200101T000000Z"), SKEWED),
    "date, no date": (lambda r: r.put("X-Amz-Date", "20201301T000000Z"), DENIED),
    "date without": (lambda r: r.put("X-Amz-Date", None), DENIED),
    "date, in words": (lambda r: r.put("X-Amz-Date", None).put("Date", http_date()), MISMATCH),
    "one more": (lambda r: r.add("x-amz-meta-a", "b"), DENIED),
    "a token": (lambda r: r.add("x-amz-security-token", TOKEN), DENIED),
    "scope, key": (authorization(KEY, "AKIDSOMEBODY"), UNKNOWN),
    "scope, another's key": (authorization(KEY, TEMPORARY), MISMATCH),
    "scope, region": (authorization(REGION, "us-east-1"), MISMATCH),
    "scope, no region": (authorization(REGION, ""), MALFORMED),
    "scope, service": (authorization("/s3/", "/ec2/"), MALFORMED),
    "scope, end": (authorization("aws4_request", "aws5_request"), MALFORMED),
    "scope, day": (lambda r: r.swap("Authorization", r["X-Amz-Date"][:8], "20200101"), MALFORMED),
    "scope, a part less": (authorization(f"/{REGION}", ""), MALFORMED),
    "names, one less": (authorization(";range", ""), MISMATCH),
    "names, no host": (authorization("SignedHeaders=host;", "SignedHeaders="), MISMATCH),
    "names, one that is not there": (authorization("=host;", "=accept;host;"), MISMATCH),
    "names, order": (authorization("host;range", "range;host"), MISMATCH),
    "names, none": (authorization("SignedHeaders=", "Headers="), MALFORMED),
    "algorithm": (authorization("HMAC-SHA256", "ECDSA-P256-SHA256"), INVALID),
    "algorithm, version 2": (lambda r: r.put("Authorization", f"AWS {KEY}:c2lnbmF0dXJl"), INVALID),
    "algorithm, none": (lambda r: r.put("Authorization", "x"), INVALID),
    "signature, a digit": (signature(lambda s: s[:-1] + ("0" if s[-1] != "0" else "1")), MISMATCH),
    "signature, case": (signature(lambda s: re.sub("[a-f]", lambda m: m[0].upper(), s)), MISMATCH),
    "signature, short": (signature(lambda s: s[:-1]), MISMATCH),
    "signature, long": (signature(lambda s: s + "0"), MISMATCH),
    "signature, not ASCII": (signature(lambda _: "é" * 64), MISMATCH),
    "signature, nothing": (signature(lambda _: ""), MISMATCH),
    "signed twice": (lambda r: r.add("Authorization", r["Authorization"]), MALFORMED),
    "signed in the query, too": (lambda r: query(r, "X-Amz-Signature=0"), INVALID),
}


def http_date():
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1))


def spelled(old, new):
    return lambda r: r.spell(old, new)


def without(name):
    return lambda r: replace(r, target=re.sub(rf"(?<=[?&]){name}=[^&]*&?", "", r.target).rstrip("&"))


def twice(name):
    return lambda r: query(r, re.search(rf"[?&]({name}=[^&]*)", r.target)[1])


FOUR = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
TWO = ("AWSAccessKeyId", "Signature", "Expires")
IN_QUERY = {
    **{f"{name}, none": (without(name), PARAMETERS) for name in FOUR},
    **{f"{name}, twice": (twice(name), PARAMETERS) for name in FOUR},
    "host": (lambda r: r.put("Host", "files.test"), MISMATCH),
    "algorithm": (spelled("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), PARAMETERS),
    "expires, later": (spelled("X-Amz-Expires=3600", "X-Amz-Expires=3601"), MISMATCH),
    "expires, never": (spelled("X-Amz-Expires=3600", "X-Amz-Expires=604801"), PARAMETERS),
    "expires, no number": (spelled("X-Amz-Expires=3600", "X-Amz-Expires=1e3"), PARAMETERS),
    "date, another day": (spelled("X-Amz-Date=2", "X-Amz-Date=1"), PARAMETERS),
    "scope, key": (spelled(KEY, "AKIDSOMEBODY"), UNKNOWN),
    "scope, another's key": (spelled(KEY, TEMPORARY), MISMATCH),
    "scope, region": (spelled(REGION, "us-east-1"), MISMATCH),
    "scope, service": (spelled("%2Fs3%2F", "%2Fiam%2F"), PARAMETERS),
    "scope, end": (spelled("aws4_request", "aws4"), PARAMETERS),
    "names, one more": (spelled("SignedHeaders=host", "SignedHeaders=host%3Brange"), MISMATCH),
    "names, none": (spelled("SignedHeaders=host", "SignedHeaders="), MISMATCH),
    "signature": (spelled("X-Amz-Signature=", "X-Amz-Signature=0"), MISMATCH),
    "signature, not ASCII": (spelled("X-Amz-Signature=", "X-Amz-Signature=%C3%A9"), MISMATCH),
    "a token": (lambda r: query(r, "X-Amz-Security-Token=t"), MISMATCH),
    "signed in the head, too": (lambda r: r.put("Authorization", sign(HEADER)["Authorization"]), INVALID),
}
IN_OLD = {
    **{f"{name}, none": (without(name), DENIED) for name in TWO},
    "expires, later": (lambda r: replace(r, target=re.sub(r"Expires=(\d+)", r"Expires=\g<1>0", r.target)), MISMATCH),
    "expires, long ago": (lambda r: replace(r, target=re.sub(r"Expires=\d+", "Expires=1", r.target)), DENIED),
    "expires, no number": (lambda r: replace(r, target=re.sub(r"Expires=\d+", "Expires=x", r.target)), DENIED),
    "key": (spelled(KEY, "AKIDSOMEBODY"), UNKNOWN),
    "another's key": (spelled(KEY, TEMPORARY), MISMATCH),
    "signature": (spelled("Signature=", "Signature=A"), MISMATCH),
    "signature, not ASCII": (spelled("Signature=", "Signature=%C3%A9"), MISMATCH),
    "a header": (lambda r: r.add("x-amz-meta-a", "b"), MISMATCH),
    "a media type": (lambda r: r.add("Content-Type", "text/html"), MISMATCH),
}
TABLE = [
    pytest.param(signer, change, wanted, id=f"{kind}: {name}")
    for kind, signer, rows in (("header", HEADER, IN_HEADER), ("query", QUERY, IN_QUERY), ("version 2", OLD, IN_OLD))
    for name, (change, wanted) in {**IN_ANY, **rows}.items()
]


@pytest.mark.parametrize(("signer", "change", "wanted"), TABLE)
def test_one_change(server, signer, change, wanted):
    good = sign(signer)
    assert refused(server, good, change(good)) == [wanted, wanted]


def test_every_signed_header_and_parameter_is_in_the_table():
    """What botocore signs, or asks for, is what the rows above change one by one."""
    signed_names = re.search("SignedHeaders=([^,]+)", sign(HEADER)["Authorization"])[1].split(";")
    assert signed_names == ["host", "range", "x-amz-checksum-mode", "x-amz-content-sha256", "x-amz-date"]
    for signer, names in ((QUERY, FOUR), (OLD, TWO)):
        assert sorted(re.findall("[?&]([^=]+)=", sign(signer).target)) == sorted(names)


@pytest.mark.parametrize("signer", [HEADER, QUERY, OLD])
@pytest.mark.parametrize("late", [5400, -5400])
def test_a_time_ago_or_ahead(server, signer, late):
    bad = sign(signer, late=late) if signer is not OLD else sign(signer, expires=-late)
    if signer is OLD and late < 0:
        return  # version 2 names no day that it begins on
    wanted = SKEWED if signer is HEADER else DENIED
    assert refused(server, sign(signer), bad) == [wanted, wanted]


@pytest.mark.parametrize("signer", [HEADER, QUERY, OLD])
def test_session_tokens(server, signer):
    good = sign(signer, TEMPORARY, SECRET[::-1], TOKEN)
    for token, wanted in ((None, UNKNOWN), ("AQoD", (400, "InvalidToken"))):
        bad = sign(signer, TEMPORARY, SECRET[::-1], token)
        assert refused(server, good, bad) == [wanted, wanted]
    if signer is HEADER:
        changed = good.put("x-amz-security-token", "AQoD"), good.put("x-amz-security-token", None)
    else:
        name = re.search("(?i)x-amz-security-token", good.target)[0]
        changed = good.spell("AQoD", "AQoE"), without(name)(good)
    assert refused(server, good, changed[0]) == [MISMATCH, MISMATCH]
    assert refused(server, good, changed[1]) == [MISMATCH, MISMATCH]


def meant(request, signer):
    """What is signed of a request, however it is spelled: by its own decoding, not the server's."""
    path, _, asked = request.target.partition("?")
    items = [tuple(unquote_to_bytes(p.replace("+", " ")) for p in i.partition("=")[::2]) for i in asked.split("&") if i]
    headers = sorted((n.lower(), " ".join(v.split())) for n, v in request.headers if n.lower() != "authorization")
    found = [" ".join(v.replace(",", ", ").split()) for n, v in request.headers if n.lower() == "authorization"]
    if signer is OLD:  # neither the host nor parameters that are no sub-resource
        items, headers = [item for item in items if item[0].decode() in TWO], []
    return request.method, unquote_to_bytes(path), sorted(items), headers, found


@settings(max_examples=400)
@given(data=st.data())
def test_no_change_by_chance_is_let_in(server, data):
    """A few characters of any part of a signed request: let in only if the request still says the same."""
    signer = data.draw(st.sampled_from([HEADER, QUERY, OLD]))
    good = sign(signer, late=1)
    bits = st.sampled_from(["", " ", "0", "a", "A", "/", "%", "%20", "%2F", "+", ",", ";", "=", "&", "-", "~", "é"])
    bad = good
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(-1, len(bad.headers) - 1))
        text = bad.target[1:] if at < 0 else bad.headers[at][1]
        start = data.draw(st.integers(0, 999)) % (len(text) + 1)  # signatures differ in length
        text = text[:start] + data.draw(bits) + text[start + data.draw(st.integers(0, 2)) :]
        if at < 0:
            bad = replace(bad, target="/" + text.replace(" ", "").replace("é", ""))
        else:
            bad = replace(bad, headers=(*bad.headers[:at], (bad.headers[at][0], text), *bad.headers[at + 1 :]))
    with server.connect() as sock:
        status, code, body, stays = ask(sock, bad)
        assert status < 500 or (status, code) == (501, "NotImplemented"), (bad, status)
        if body in (BODY, b"other"):
            assert meant(bad, signer) == meant(good, signer), (bad, good)
        assert stays or sock.recv(1) == b""
        if stays:
            assert ask(sock, good)[2] == BODY

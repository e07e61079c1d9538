"""Links: what they open, and that nothing can be changed about them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.auth.links import Links
from s3facade.core.errors import AccessDenied
from s3facade.s3.target import LINK

LINKS = Links("the secret")
NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def made(prefix="a/b", bucket="lab", expires=1000):
    return LINKS.make(bucket, prefix, expires)[1:]


@given(NAMES, NAMES)
def test_a_link_opens_its_prefix_and_what_lies_below(prefix, rest):
    token = made(prefix)
    assert LINK.fullmatch("~" + token)
    scope = prefix.rstrip("/")
    assert LINKS.check("lab", token, scope, 999) == scope
    assert LINKS.check("lab", token, f"{scope}/{rest}" if scope else rest, 999) == scope


@pytest.mark.parametrize("key", ["a", "a/", "a/c", "a/bb", "a/b2/c", "", "A/b", "a//b", "../a/b", "a/b\0", "b/a/b"])
def test_a_link_opens_nothing_else(key):
    with pytest.raises(AccessDenied):
        LINKS.check("lab", made(), key, 0)


def test_where_and_when():
    token = made()
    assert LINKS.check("lab", token, "a/b/c", 1000)
    for bucket, now in (("lab2", 0), ("lab", 1001), ("", 0)):
        with pytest.raises(AccessDenied):
            LINKS.check(bucket, token, "a/b/c", now)


@pytest.mark.parametrize("i", range(len(made())))
def test_every_character_counts(i):
    token = made()
    for other in "0az9-_A":
        changed = token[:i] + other + token[i + 1 :]
        if other != token[i] and LINK.fullmatch("~" + changed):
            with pytest.raises(AccessDenied):
                LINKS.check("lab", changed, "a/b/c", 0)


def test_one_spelling_of_each_number():
    name, expires, length, mac = made().split(".")
    for odd in (f"{name}.0{expires}.{length}.{mac}", f"{name}.{expires}.0{length}.{mac}"):
        assert LINK.fullmatch("~" + odd)
        with pytest.raises(AccessDenied):
            LINKS.check("lab", odd, "a/b/c", 0)


def test_a_prefix_cannot_be_widened():
    """The length in a token is no more free than the rest: a shorter one would open more."""
    name, expires, _, mac = made("a/b").split(".")
    for length in range(5):
        if length != 3:
            with pytest.raises(AccessDenied):
                LINKS.check("lab", f"{name}.{expires}.{length}.{mac}", "a/b/c", 0)


def test_revoked():
    token = made()
    revoking = Links("the secret", {token[:8]})
    with pytest.raises(AccessDenied, match="revoked"):
        revoking.check("lab", token, "a/b", 0)
    assert revoking.check("lab", made(), "a/b", 0)


def test_another_secret():
    with pytest.raises(AccessDenied):
        Links("another secret").check("lab", made(), "a/b", 0)
    assert "the secret" not in repr(LINKS)

"""Grants and quotas."""

import pytest

from s3facade.auth.keys import Credential, Keyring
from s3facade.auth.policy import ANONYMOUS, Principal, may
from s3facade.auth.quota import Quota
from s3facade.core.errors import Overloaded


class Bucket:
    def __init__(self, name, access):
        self.name, self.access = name, access


SOME = Principal("k", signed=True, grants={"lab": ("sub-01/", "x")})
WHOLE = Principal("k", signed=True, grants={"lab": ("",)})
ALL = Principal("k", signed=True, grants=None)
TABLE = [  # access, who, (know, read sub-01/a, read sub-02/a, list sub-01/, list "")
    ("public", ANONYMOUS, (True, True, True, True, True)),
    ("key-only", ANONYMOUS, (False, True, True, False, False)),
    ("private", ANONYMOUS, (False, False, False, False, False)),
    ("public", SOME, (True, True, True, True, True)),
    ("key-only", SOME, (True, True, True, True, False)),
    ("private", SOME, (True, True, False, True, False)),
    ("private", WHOLE, (True, True, True, True, True)),
    ("key-only", WHOLE, (True, True, True, True, True)),
    ("private", ALL, (True, True, True, True, True)),
]


@pytest.mark.parametrize(("access", "who", "wanted"), TABLE, ids=range(len(TABLE)))
def test_who_may_what(access, who, wanted):
    lab, other = Bucket("lab", access), Bucket("other", access)
    asked = [("know", ""), ("read", "sub-01/a"), ("read", "sub-02/a"), ("list", "sub-01/"), ("list", "")]
    assert tuple(may(who, lab, *ask) for ask in asked) == wanted
    if who.grants is not None:
        assert [may(who, other, *ask) for ask in asked] == [may(ANONYMOUS, other, *ask) for ask in asked]
    assert may(who, None) is (who is ALL)


def test_requests_at_once():
    quota = Quota(most=2)
    quota.enter()
    quota.enter()
    with pytest.raises(Overloaded):
        quota.enter()
    quota.leave()
    quota.enter()
    assert quota.running == 2


def test_requests_per_second():
    now = [0.0]
    quota = Quota(rate=4, clock=lambda: now[0])
    for wait, served in ((0, 4), (0.5, 2), (10, 4), (0.2, 0), (0.05, 1)):
        now[0] += wait
        for _ in range(served):
            quota.enter()
        with pytest.raises(Overloaded):
            quota.enter()


def test_counts_survive_a_reload_where_the_limits_stay():
    old = Keyring([Credential("A", "s", most=2), Credential("B", "s", most=2), Credential("C", "s")])
    new = Keyring([Credential("A", "t", most=2), Credential("B", "s", most=3), Credential("C", "s")], old)
    assert new.quota("A") is old.quota("A")
    assert new.quota("B") is not old.quota("B")
    assert new.quota("C") is None
    assert new.principal(new.get("A")).quota is new.quota("A")

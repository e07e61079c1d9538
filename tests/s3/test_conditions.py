import time
from email.utils import formatdate
from itertools import product

import pytest
from multidict import CIMultiDict

from s3facade.core.errors import ConditionFailed, Unmodified
from s3facade.s3.conditions import check, in_range, matches

TAG, NOW = "123-", 1_700_000_000
BEFORE, AT, AFTER = (formatdate(NOW + d, usegmt=True) for d in (-10, 0, 10))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"If-Match": '"123-"'}, 200),
        ({"If-Match": "123-"}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"a", "123-"'}, 200),
        ({"If-Match": '"a"'}, 412),
        ({"If-Match": '"123"'}, 412),
        ({"If-None-Match": '"123-"'}, 304),
        ({"If-None-Match": 'W/"123-"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"a"'}, 200),
        ({"If-Modified-Since": BEFORE}, 200),
        ({"If-Modified-Since": AT}, 304),
        ({"If-Modified-Since": AFTER}, 304),
        ({"If-Unmodified-Since": BEFORE}, 412),
        ({"If-Unmodified-Since": AT}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Unmodified-Since": "yesterday"}, 200),
        ({"If-Match": '"123-"', "If-Unmodified-Since": BEFORE}, 200),
        ({"If-Match": '"a"', "If-Unmodified-Since": AFTER}, 412),
        ({"If-None-Match": '"123-"', "If-Modified-Since": BEFORE}, 304),
        ({"If-None-Match": '"a"', "If-Modified-Since": AFTER}, 200),
        ({"If-Match": '"123-"', "If-None-Match": '"123-"'}, 304),
        ({"If-Match": '"a"', "If-None-Match": '"123-"'}, 412),
    ],
)
def test_table(headers, status):
    if status == 200:
        check(CIMultiDict(headers), TAG, NOW)
        return
    with pytest.raises(Unmodified if status == 304 else ConditionFailed) as caught:
        check(CIMultiDict(headers), TAG, NOW)
    assert status == 304 or caught.value.fields["Condition"] in headers


def test_precedence_in_all_combinations():
    values = {
        "If-Match": (None, '"123-"', '"a"'), "If-Unmodified-Since": (None, BEFORE, AFTER),
        "If-None-Match": (None, '"123-"', '"a"'), "If-Modified-Since": (None, BEFORE, AFTER),
    }  # fmt: skip
    for combination in product(*values.values()):
        match, unmodified, none_match, modified = combination
        failed = match == '"a"' if match else unmodified == BEFORE
        same = none_match == '"123-"' if none_match else modified == AFTER
        headers = CIMultiDict({k: v for k, v in zip(values, combination, strict=True) if v})
        expected = ConditionFailed if failed else Unmodified if same else None
        if expected:
            with pytest.raises(expected):
                check(headers, TAG, NOW)
        else:
            check(headers, TAG, NOW)


def test_if_range():
    assert in_range('"123-"', TAG, NOW)
    assert in_range(AT, TAG, NOW)
    assert not in_range(BEFORE, TAG, NOW)
    assert not in_range('"a"', TAG, NOW)
    assert not matches("", TAG)


@pytest.mark.parametrize("date", ["Tue Nov 14 22:13:20 2023", "Tuesday, 14-Nov-23 22:13:20 GMT", AT])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_every_form_of_date_is_utc_wherever_this_runs(monkeypatch, date, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with pytest.raises(Unmodified):
            check(CIMultiDict({"If-Modified-Since": date}), TAG, NOW)
        assert in_range(date, TAG, NOW)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_dates_that_no_header_can_say():
    last = "Fri, 31 Dec 9999 23:59:59 GMT"
    with pytest.raises(Unmodified):
        check(CIMultiDict({"If-Modified-Since": last}), TAG, 10**13)
    check(CIMultiDict({"If-Unmodified-Since": last}), TAG, 10**13)

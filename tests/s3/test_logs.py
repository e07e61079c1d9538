"""What logs say about requests: enough to find them, nothing that opens anything."""

import logging

import pytest
from conftest import serving
from s3_fakes import FakeCatalog

from s3facade.core.errors import SourceUnavailable

CODE = "Ab1_-" * 4 + "xy"
TOKEN = f"~abcd1234.1790000000.1.{CODE}"


@pytest.mark.parametrize(
    ("target", "secret"),
    [
        (f"/b/{TOKEN}/k", CODE),
        (f"/b/%7Eabcd1234%2E1790000000%2E1%2E{CODE}/k", CODE),
        (f"/b?prefix={TOKEN}%2Fk", CODE),
        ("/b/k?X-Amz-Signature=0a1b2c3d4e", "0a1b2c3d4e"),
        ("/b/k?X-Amz-Security-Token=the%2Btoken", "token=the"),
        ("/b/k?Signature=abc%3D&Expires=1", "abc"),
    ],
)
def test_no_log_line_opens_anything(caplog, target, secret):
    caplog.set_level(logging.INFO)
    catalog = FakeCatalog().add("b", {"k": b"x"})
    with serving(catalog, access_log=True) as s:
        s.get(target)
    lines = [r.getMessage() for r in caplog.records if r.name == "s3facade.access"]
    assert len(lines) == 1
    assert secret not in lines[0]
    assert "/b" in lines[0]


def test_failures_name_bucket_and_key(caplog):
    catalog = FakeCatalog().add("b", {"k": b"x"})
    catalog.errors["b", "k"] = SourceUnavailable("gone", private="/data/k.tif")
    with serving(catalog) as s:
        assert s.get("/b/k").status == 503
    assert "bucket='b' key='k'" in caplog.text

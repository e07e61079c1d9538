"""Links, pinned addresses, buckets from folders and reloading, on a server as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import numpy as np
import pytest
import tifffile
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from test_serving import Running, serving

CONFIG = """
sources:
  scans: {files: "scans/{name}.tif"}
buckets:
  lab:
    access: private
    cache_control: max-age=60
    cors: ["https://viewer.example.org"]
    views:
      - {type: ome-zarr, from: scans, path: "img/{name}.ome.zarr"}
      - {type: files, root: scans, path: raw}
  drop:
    access: key-only
    cors: off
    views: [{type: files, root: scans}]
buckets_from: {root: shelf, names: {My_Data: my-data}}
access:
  - {key: OLD, secret_file: secret, buckets: ["lab/raw/*"]}
  - {key: ALL, secret: all-secret, buckets: ["*"]}
  - {key: SLOW, secret: slow-secret, buckets: [lab], rate: 3/min}
  - {key: TEMP, secret: temp-secret, session_token: the-token, buckets: [lab]}
links: {secret: a-secret-for-links}
limits: {workers: 2}
server: {rescan: 500 ms}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    scans = tmp_path / "scans"
    scans.mkdir()
    rng = np.random.default_rng(3)
    for name in ("a", "a2"):
        tifffile.imwrite(scans / f"{name}.tif", rng.integers(0, 99, (64, 64), dtype=np.uint8))
    for name in ("one", "My_Data", "Bad Name"):
        (tmp_path / "shelf" / name).mkdir(parents=True)
        (tmp_path / "shelf" / name / "k").write_text(name)
    (tmp_path / "shelf" / "out").symlink_to("/etc")
    (tmp_path / "shelf" / "one" / "passwd").symlink_to("/etc/passwd")
    (tmp_path / "secret").write_text("old-secret\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "lab.yaml").write_text(CONFIG)
    with serving(tmp_path, tmp_path / "log", str(tmp_path / "lab.yaml")) as running:
        yield running


def client(server: Running, key: str = "", secret: str = "", token: str | None = None):
    signature = Config(signature_version="s3v4" if key else UNSIGNED, retries={"max_attempts": 1})
    return boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="us-east-1", config=signature,
        aws_access_key_id=key or None, aws_secret_access_key=secret or None, aws_session_token=token,
    )  # fmt: skip


def refused(call, **arguments) -> str:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def shared(server: Running, address: str, *options: str) -> tuple[str, str]:
    """What ``s3facade share`` prints: the path of the address, and its remark."""
    command = [sys.executable, "-m", "s3facade", "share", address, str(server.root / "lab.yaml"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return urlsplit(done.stdout.strip()).path, done.stderr


def reload(server: Running, config: str) -> None:
    (server.root / "lab.yaml").write_text(config)
    server.process.send_signal(signal.SIGHUP)


def test_a_link_opens_one_image_until_it_is_revoked(server: Running) -> None:
    path, said = shared(server, "s3://lab/img/a.ome.zarr/")
    assert server.get("/lab/img/a.ome.zarr/zarr.json").status == 403
    for _ in range(3):
        answer = server.get(f"{path}/zarr.json", Origin="https://viewer.example.org")
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "https://viewer.example.org"
        assert server.get(f"{path}/0/c/0/0").status == 200
    assert server.get(f"{path}/nothing").code == "NoSuchKey"
    for wrong in ("a2.ome.zarr", "a.ome.zarr2", "", "a.ome.zarr/../a2.ome.zarr", "a.ome.zar"):
        assert server.get(f"{path[: -len('a.ome.zarr')]}{wrong}/zarr.json").status in (403, 404), wrong
    ident = re.search(r"id, to revoke it, is (\w{8})", said)
    assert ident
    s3 = client(server)
    prefix = path.removeprefix("/lab/")
    page = s3.list_objects_v2(Bucket="lab", Prefix=prefix + "/", Delimiter="/")
    assert {o["Key"] for o in page["Contents"]} == {prefix + "/zarr.json", prefix + "/s3facade.json"}
    assert all(p["Prefix"].startswith(prefix + "/") for p in page["CommonPrefixes"])
    around = s3.list_objects_v2(Bucket="lab", Prefix=prefix)
    assert all(o["Key"].startswith(prefix + "/") for o in around["Contents"])
    assert [o["Key"] for o in around["Contents"]] == [
        o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket="lab", Prefix=prefix, MaxKeys=1)
        for o in p["Contents"]
    ]  # fmt: skip
    assert refused(s3.list_objects_v2, Bucket="lab", Prefix=prefix[:-1]) == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket="lab", Prefix="img/a.ome.zarr/") == "AccessDenied"
    reload(server, CONFIG.replace("a-secret-for-links}", f"a-secret-for-links, revoked: [{ident[1]}]}}"))
    server.eventually(lambda: all(server.get(f"{path}/zarr.json").code == "AccessDenied" for _ in range(8)))


def test_a_link_expires_and_cannot_be_changed(server: Running) -> None:
    path, _ = shared(server, "s3://lab/raw/a.tif", "--expires", "2 s")
    assert server.get(path).status == 200
    for change in ((".9.", ".8."), (r"\.(\d{10})\.", ".9999999999."), ("~.", "~0" + path[6]), ("raw/a", "raw/a2")):
        assert server.get(re.sub(*change, path, count=1)).status == 403 or re.sub(*change, path, count=1) == path
    server.eventually(lambda: server.get(path).status == 403)


def test_pinned_addresses_never_change_their_meaning(server: Running) -> None:
    path, _ = shared(server, "s3://lab/img/a.ome.zarr", "--immutable")
    answer = server.get(f"{path}/0/c/0/0")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    before = answer.body
    s3 = client(server, "ALL", "all-secret")
    plain = s3.get_object(Bucket="lab", Key="img/a.ome.zarr/0/c/0/0")
    assert (plain["Body"].read(), plain["CacheControl"]) == (before, "max-age=60")
    pin = re.search(r"/(@[0-9a-f]{32})/", path)
    assert pin
    listed = s3.list_objects_v2(Bucket="lab", Prefix=f"{pin[1]}/img/a.ome.zarr/0/")
    assert f"{pin[1]}/img/a.ome.zarr/0/c/0/0" in [o["Key"] for o in listed["Contents"]]
    time.sleep(0.01)
    tifffile.imwrite(server.root / "scans" / "a.tif", np.zeros((64, 64), np.uint8))
    server.eventually(lambda: server.get(f"{path}/0/c/0/0").code == "NoSuchKey")
    assert "Contents" not in s3.list_objects_v2(Bucket="lab", Prefix=f"{pin[1]}/img/a.ome.zarr/")
    assert s3.get_object(Bucket="lab", Key="img/a.ome.zarr/0/c/0/0")["Body"].read() != before
    newer, _ = shared(server, "s3://lab/img/a.ome.zarr", "--immutable")
    assert re.search(r"@\w+", newer) != re.search(r"@\w+", path)
    assert server.get(f"{newer}/0/c/0/0").status == 200


def test_key_only_buckets_are_read_but_not_listed(server: Running) -> None:
    assert server.get("/drop/a.tif").status == 200
    for target in ("/drop", "/drop/?list-type=2", "/drop?versions", "/drop/missing", "/drop?location"):
        assert server.get(target).code == "AccessDenied", target
    s3 = client(server, "ALL", "all-secret")
    assert refused(s3.get_object, Bucket="drop", Key="missing") == "NoSuchKey"
    assert len(s3.list_objects_v2(Bucket="drop")["Contents"]) == 2
    assert "access-control-allow-origin" not in server.get("/drop/a.tif", Origin="https://x.org").headers


def test_grants_end_at_their_prefix(server: Running) -> None:
    s3 = client(server, "OLD", "old-secret")
    assert s3.get_object(Bucket="lab", Key="raw/a.tif")["ContentLength"] > 0
    assert len(s3.list_objects_v2(Bucket="lab", Prefix="raw/")["Contents"]) == 2
    assert refused(s3.get_object, Bucket="lab", Key="raw/missing") == "NoSuchKey"
    for key in ("img/a.ome.zarr/zarr.json", "missing", "ra"):
        assert refused(s3.get_object, Bucket="lab", Key=key) == "AccessDenied"
    for prefix in ("", "raw", "img/"):
        assert refused(s3.list_objects_v2, Bucket="lab", Prefix=prefix) == "AccessDenied"
    assert {b["Name"] for b in s3.list_buckets()["Buckets"]} == {"lab", "one", "my-data"}


def test_secrets_are_read_again(server: Running) -> None:
    secret = server.root / "secret"

    def code(word: str) -> str:
        return refused(client(server, "OLD", word).head_object, Bucket="lab", Key="raw/a.tif")

    assert code("old-secret") == ""
    secret.write_text("new-secret")
    secret.chmod(0o644)
    server.process.send_signal(signal.SIGHUP)
    server.eventually(lambda: "chmod 600" in server.log.read_text())
    assert code("old-secret") == ""
    secret.chmod(0o600)
    server.process.send_signal(signal.SIGHUP)
    server.eventually(lambda: all(code("old-secret") == "403" for _ in range(6)))
    assert code("new-secret") == ""
    assert "new-secret" not in server.log.read_text()


def test_limits_of_a_key(server: Running) -> None:
    s3 = client(server, "SLOW", "slow-secret")
    codes = [refused(s3.get_object, Bucket="lab", Key="raw/a.tif") for _ in range(8)]
    assert codes.count("SlowDown") >= 6, codes
    assert server.get("/one/k").status == 200


@pytest.mark.parametrize(("token", "code"), [("the-token", ""), (None, "InvalidAccessKeyId"), ("x", "InvalidToken")])
def test_session_tokens(server: Running, token: str | None, code: str) -> None:
    s3 = client(server, "TEMP", "temp-secret", token)
    assert refused(s3.get_object, Bucket="lab", Key="raw/a.tif") == code
    url = s3.generate_presigned_url("get_object", {"Bucket": "lab", "Key": "raw/a.tif"})
    assert server.get(url.partition(str(server.port))[2]).code == code


def test_folders_are_buckets(server: Running) -> None:
    assert server.get("/one/k").body == b"one"
    assert server.get("/my-data/k").body == b"My_Data"
    for target in ("/out/hostname", "/one/passwd", "/one/../my-data/k", "/one/%2e%2e/secret", "/My_Data/k"):
        assert server.get(target).status in (403, 404), target
    shelf = server.root / "shelf"
    (shelf / "two").mkdir()
    (shelf / "two" / "new").write_text("new")
    assert server.get("/two/new").body == b"new"
    assert b"<Name>two</Name>" in server.get("/").body
    (shelf / "one" / "later").write_text("later")
    assert server.get("/one/later").body == b"later"
    os.rename(shelf / "two", shelf / "three")
    assert server.get("/two/new").status in (403, 404)
    assert server.get("/three/new").status == 200
    status = server.get("/-/status").body
    assert b"Bad Name" in status
    assert b"leads out" in status

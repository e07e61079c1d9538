"""Compressed chunks over a real socket: exact sizes before bytes, listings, a restart, damage, and pixels."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import tensorstore
import tifffile
import zarr
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import ClientError

from conformance.server import serving

NOISE = np.random.default_rng(5).poisson(40, (300, 700)).astype(np.uint16)
NOISE[:128] = 0  # whole chunks of the fill value: they are objects like any other
VOLUME = np.random.default_rng(6).integers(0, 9, (20, 90, 100), dtype=np.uint8)
CODECS = {"zstd": "zstd", "gzip": "{name: gzip, level: 6}", "blosc": "blosc"}
AWS = shutil.which("aws", path=str(Path(sys.executable).parent))


def configured(folder: Path, *, sizes: str = "compute", codec: str = "zstd", index: str = "64 MiB") -> Path:
    tifffile.imwrite(folder / "plane.tif", NOISE, tile=(128, 128), compression="zlib")
    tifffile.imwrite(folder / "volume.tif", VOLUME, metadata={"axes": "ZYX"})
    old = time.time() - 1000
    for name in ("plane.tif", "volume.tif"):
        os.utime(folder / name, (old, old))
    path = folder / "s3facade.yaml"
    path.write_text(
        "sources:\n  all: {files: '{name}.tif'}\n"
        f"buckets:\n  images:\n    list_sizes: {sizes}\n"
        f"    views: [{{type: ome-zarr, from: all, path: '{{name}}.ome.zarr', chunks: 128, codec: {codec}}}]\n"
        f"limits: {{cache_dir: kept, index: {index}, workers: 1, memory: 256 MiB}}\n"
    )
    os.utime(path, (old, old))
    return path


@contextmanager
def served(folder: Path, config: Path) -> Iterator[Any]:
    with serving(config, log=folder / "log") as facade:
        yield client(facade.url)


def client(url: str) -> Any:
    options = Config(signature_version=UNSIGNED, retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=options)


def listed(s3: Any, **options: Any) -> dict[str, int]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="images", **options)
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}


def body(s3: Any, key: str, **options: Any) -> bytes:
    data: bytes = s3.get_object(Bucket="images", Key=key, **options)["Body"].read()
    return data


@pytest.mark.parametrize("codec", CODECS)
def test_sizes_are_those_of_the_bytes_whoever_asks_first(tmp_path: Path, codec: str) -> None:
    with served(tmp_path, configured(tmp_path, codec=CODECS[codec])) as s3:
        key = "plane.ome.zarr/0/c/1/2"
        head = s3.head_object(Bucket="images", Key=key)
        data = body(s3, key)
        assert head["ContentLength"] == len(data) < 128 * 128 * 2
        other = "plane.ome.zarr/0/c/2/5"
        assert s3.get_object(Bucket="images", Key=other)["ContentLength"] == len(body(s3, other))
        part = s3.get_object(Bucket="images", Key=key, Range="bytes=100-199", IfMatch=head["ETag"])
        assert (part["ContentRange"], part["Body"].read()) == (f"bytes 100-199/{len(data)}", data[100:200])
        assert body(s3, key, Range="bytes=-7") == data[-7:]
        with pytest.raises(ClientError, match="InvalidRange"):
            body(s3, key, Range=f"bytes={len(data)}-")
        about = s3.get_object_attributes(Bucket="images", Key=key, ObjectAttributes=["ObjectSize"])
        assert about["ObjectSize"] == len(data)
        sizes = listed(s3)
        assert sizes == {key: s3.head_object(Bucket="images", Key=key)["ContentLength"] for key in sizes}
        assert sizes == {key: len(body(s3, key)) for key in sizes}
        # Nothing is left out because it is all fill value.
        assert {f"plane.ome.zarr/0/c/{y}/{x}" for y in range(3) for x in range(6)} <= sizes.keys()
        versions = s3.list_object_versions(Bucket="images")["Versions"]
        assert {item["Key"]: item["Size"] for item in versions} == sizes
        assert listed(s3, PaginationConfig={"PageSize": 3}) == sizes


@pytest.mark.parametrize("codec", CODECS)
def test_readers_see_the_voxels(tmp_path: Path, codec: str) -> None:
    with serving(configured(tmp_path, codec=CODECS[codec]), log=tmp_path / "log") as facade:
        for name, expected in (("plane", NOISE), ("volume", VOLUME)):
            address = f"{facade.url}/images/{name}.ome.zarr"
            group = zarr.open_group(address, mode="r", zarr_format=3)
            array = group["0"]
            assert np.array_equal(array[...], expected)  # type: ignore[index, arg-type]
            store = {"driver": "http", "base_url": f"{address}/0/"}
            read = tensorstore.open({"driver": "zarr3", "kvstore": store}, open=True).result().read().result()
            assert np.array_equal(read, expected)
        raw = zarr.open_array(f"{facade.url}/images/plane.ome.zarr/1", mode="r")
        assert raw.shape == (150, 350)
        assert np.array_equal(raw[:64], np.zeros((64, 350)))


def decodes(folder: Path, config: Path, *, calls: str) -> tuple[int, str]:
    """Chunks that a fresh process compresses while it does ``calls``, and what it prints."""
    program = (
        "import sys, asyncio, pathlib\n"
        "from s3facade.codecs.compress import Compressed\n"
        "from s3facade.app.server import open_catalog\n"
        "from s3facade.config.load import load\n"
        "from s3facade.engine.evaluate import Evaluator\n"
        "made = []\n"
        "for owner, name in ((Compressed, 'encode'), (Evaluator, '_decode')):\n"
        "    def counted(self, *a, of=getattr(owner, name)):\n"
        "        made.append(1)\n"
        "        return of(self, *a)\n"
        "    setattr(owner, name, counted)\n"
        "catalog = open_catalog(load(pathlib.Path(sys.argv[1]), {}))\n"
        f"{calls}\n"
        "catalog.engine.close()\n"
        "print(len(made))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(config)], capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *said, count = done.stdout.splitlines()
    return int(count), "\n".join(said)


LIST = (
    "async def every():\n"
    "    page = await catalog.page('images', 'plane.ome.zarr/0/c/', '', '', 1000)\n"
    "    assert page.last is None\n"
    "    print([(f.key, f.etag, f.file.size) for f in page.items])\n"
    "    found = await catalog.find('images', 'plane.ome.zarr/0/c/1/2')\n"
    "    print(await catalog.engine.size(found.file.body()))\n"
    "asyncio.run(every())\n"
)


def test_after_a_restart_nothing_is_computed_for_a_size(tmp_path: Path) -> None:
    config = configured(tmp_path)
    count, said = decodes(tmp_path, config, calls=LIST)
    assert count >= 2 * 18
    assert decodes(tmp_path, config, calls=LIST) == (0, said)


def test_without_an_index_sizes_are_computed_again_and_are_the_same(tmp_path: Path) -> None:
    config = configured(tmp_path, index="off")
    first = decodes(tmp_path, config, calls=LIST)
    assert decodes(tmp_path, config, calls=LIST) == first
    assert first[0] >= 2 * 18


def test_damage_to_the_ledger_costs_a_computation_and_never_tells_a_wrong_size(tmp_path: Path) -> None:
    config = configured(tmp_path)
    _, said = decodes(tmp_path, config, calls=LIST)
    path = tmp_path / "kept" / "index" / "index-1.sqlite"
    # Every value has one bit changed: only the checksum can tell.
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT name, value FROM entries").fetchall()
        for name, value in rows:
            damaged = value[:-3] + bytes([value[-3] ^ 4]) + value[-2:]
            db.execute("UPDATE entries SET value = ? WHERE name = ?", (damaged, name))
    db.close()
    count, again = decodes(tmp_path, config, calls=LIST)
    assert (count >= 2 * 18, again) == (True, said)
    path.write_bytes(os.urandom(40_000))
    count, again = decodes(tmp_path, config, calls=LIST)
    assert (count >= 2 * 18, again) == (True, said)
    assert decodes(tmp_path, config, calls=LIST) == (0, said)


def test_a_changed_original_has_other_tags_and_sizes(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with served(tmp_path, config) as s3:
        before = s3.head_object(Bucket="images", Key="plane.ome.zarr/0/c/1/2")
        tifffile.imwrite(tmp_path / "plane.tif", NOISE * 3 + 1, tile=(128, 128), compression="zlib")
        after = s3.head_object(Bucket="images", Key="plane.ome.zarr/0/c/1/2")
        assert before["ETag"] != after["ETag"]
        assert after["ContentLength"] == len(body(s3, "plane.ome.zarr/0/c/1/2"))
        with pytest.raises(ClientError, match="PreconditionFailed"):
            body(s3, "plane.ome.zarr/0/c/1/2", IfMatch=before["ETag"])


def killed(config: Path, log: Path, delay: float) -> None:
    """Killed in the midst of a listing. Raises `RuntimeError`, since it does not end as asked."""
    with serving(config, log=log) as facade:
        client(facade.url).head_object(Bucket="images", Key="plane.ome.zarr/0/c/2/0")
        ask = f"import urllib.request as u; u.urlopen('{facade.url}/images?list-type=2')"
        child = subprocess.Popen([sys.executable, "-c", ask], stderr=subprocess.DEVNULL)
        time.sleep(delay)
        os.killpg(os.getpgid(facade.pid), signal.SIGKILL)
        child.wait()


def test_killed_while_it_fills_the_ledger(tmp_path: Path) -> None:
    config = configured(tmp_path)
    for delay in (0.1, 0.12, 0.15):
        with pytest.raises(RuntimeError):
            killed(config, tmp_path / "log", delay)
    with served(tmp_path, config) as s3:
        sizes = listed(s3)
        assert sizes == {key: len(body(s3, key)) for key in sizes}


def test_omit_lists_what_is_known(tmp_path: Path) -> None:
    with served(tmp_path, configured(tmp_path, sizes="omit")) as s3:
        chunks = [key for key in listed(s3) if "/c/" in key]
        assert chunks == []
        folders = s3.list_objects_v2(Bucket="images", Prefix="plane.ome.zarr/", Delimiter="/")["CommonPrefixes"]
        assert [f["Prefix"] for f in folders] == [f"plane.ome.zarr/{name}/" for name in ("0", "1", "OME")]
        wanted = {f"plane.ome.zarr/0/c/{y}/{x}" for y in (0, 2) for x in (1, 4)}
        sizes = {key: len(body(s3, key)) for key in wanted}
        assert {k: n for k, n in listed(s3).items() if "/c/" in k} == sizes
        assert listed(s3, PaginationConfig={"PageSize": 2}).keys() >= wanted
        old = s3.get_paginator("list_objects").paginate(Bucket="images", PaginationConfig={"PageSize": 2})
        assert {item["Key"] for page in old for item in page.get("Contents", ())} == listed(s3).keys()


@pytest.mark.skipif(AWS is None, reason="the command aws is not installed")
def test_a_second_sync_copies_nothing_also_after_a_restart(tmp_path: Path) -> None:
    config, copy = configured(tmp_path), tmp_path / "copy"

    def sync(url: str) -> str:
        command = [str(AWS), "--no-sign-request", "--endpoint-url", url, "s3", "sync", "s3://images/", str(copy)]
        environment = {**os.environ, "AWS_PAGER": "", "AWS_DEFAULT_REGION": "us-east-1"}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    with serving(config, log=tmp_path / "log") as facade:
        assert "download" in sync(facade.url)
        assert sync(facade.url) == ""
    with serving(config, log=tmp_path / "log") as facade:
        assert sync(facade.url) == ""
    read = zarr.open_array(copy / "plane.ome.zarr" / "0", mode="r")
    assert np.array_equal(read[...], NOISE)


def test_what_is_not_sent_is_not_computed(tmp_path: Path) -> None:
    calls = "found = asyncio.run(catalog.find('images', 'plane.ome.zarr/0/c/1/2'))\nprint(found.file.size)\n"
    assert decodes(tmp_path, configured(tmp_path), calls=calls) == (0, "None")
    with served(tmp_path, configured(tmp_path)) as s3:
        head = s3.head_object(Bucket="images", Key="plane.ome.zarr/0/c/1/2")
        with pytest.raises(ClientError, match="304"):
            body(s3, "plane.ome.zarr/0/c/1/2", IfNoneMatch=head["ETag"])

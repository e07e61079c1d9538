"""s3fs-fuse: a bucket as a folder of the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from conformance.contract import lacks, same
from conformance.shards import group_arrays
from conformance.signed import object_url, plain

PROGRAM, UNMOUNT = shutil.which("s3fs"), shutil.which("fusermount") or shutil.which("fusermount3")
if PROGRAM is None or UNMOUNT is None:
    pytest.skip("the command s3fs is not installed (conformance/install.sh)", allow_module_level=True)
if not os.access("/dev/fuse", os.R_OK | os.W_OK):
    pytest.skip("the machine does not let this user mount (/dev/fuse)", allow_module_level=True)

CLIENT = "s3fs-fuse"


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """What ``s3fs --version`` says."""
    text = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    return text.splitlines()[0].partition("V")[2].split()[0]


@contextlib.contextmanager
def mounted(url, bucket, scratch, *options):
    """The folder at which the bucket appears inside the block."""
    place = scratch / bucket
    place.mkdir()
    command = [PROGRAM, bucket, str(place), "-f", "-o", f"url={url},use_path_request_style,ro,retries=1"]
    with (scratch / f"{bucket}.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 20
        while process.poll() is None and not os.path.ismount(place) and time.monotonic() < end:
            time.sleep(0.05)
        if not os.path.ismount(place):
            raise RuntimeError((scratch / f"{bucket}.log").read_text(errors="replace"))
        yield place
    finally:
        subprocess.run([UNMOUNT, "-u", "-z", str(place)], capture_output=True, check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait(5)


def password(private, scratch, secret):
    """Options that sign with ``secret``."""
    file = scratch / "passwd"
    file.write_text(f"{private.key}:{secret}\n")
    file.chmod(0o600)
    return ("-o", f"passwd_file={file},endpoint=us-east-1,sigv4")


@pytest.fixture(scope="module")
def files(facade, tmp_path_factory):
    with mounted(facade.url, "files", tmp_path_factory.mktemp("fuse"), "-o", "public_bucket=1") as place:
        yield place


@pytest.fixture(scope="module")
def images(facade, tmp_path_factory):
    with mounted(facade.url, "images", tmp_path_factory.mktemp("fuse"), "-o", "public_bucket=1") as place:
        yield place


class TestS3fsFuse:
    def test_list_recursive(self, files, tree):
        found = {
            (Path(base) / name).relative_to(files).as_posix() for base, _, names in os.walk(files) for name in names
        }
        assert found == set(tree)

    def test_list_with_delimiter(self, files, tree):
        assert sorted(os.listdir(files)) == sorted({k.partition("/")[0] for k in tree})

    def test_list_thousands(self, files, images):
        assert len(os.listdir(files / "many")) == 1050
        assert len(os.listdir(images / "timelapse.ome.zarr" / "0" / "c")) > 1000

    def test_head(self, files, tree):
        for key in ("slide.svs", "deep/größe/a b+c.tif"):
            assert (files / key).stat().st_size == tree[key]

    def test_get(self, files, folder_bytes):
        for key, data in folder_bytes.items():
            assert (files / key).read_bytes() == data, key

    def test_ranged_get(self, files, folder):
        with (files / "stack.tif").open("rb") as file:
            file.seek(20_000_000)
            found = file.read(1000)
        with (folder / "stack.tif").open("rb") as file:
            file.seek(20_000_000)
            assert file.read(1000) == found

    def test_missing_key(self, files, images):
        for path in (files / "absent.tif", images / "two.ome.zarr" / ".zattrs"):
            with pytest.raises(FileNotFoundError):
                path.stat()

    def test_pixels_of_every_level(self, images, samples):
        def fetch(key, start, stop):
            data = (images / key).read_bytes()
            return data if start is None else data[start:stop]

        for name in ("two.ome.zarr/0", "two.ome.zarr/1", "flat.ome.zarr"):
            for i, array in enumerate(group_arrays(fetch, name)):
                same(array.read(), samples[name].level(i, array.shape), f"{name} level {i}")

    test_not_modified = test_precondition_failed = lacks("a file system has no conditional reads")
    test_presigned_get = lacks("a file system has no URLs")

    def test_copy_of_an_image(self, images, facade, tmp_path):
        copy = ["cp", "--recursive", "--update", "--preserve=timestamps", "--verbose"]
        copy += [str(images / "two.ome.zarr"), str(tmp_path)]
        assert subprocess.run(copy, capture_output=True, check=True).stdout
        paths = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(paths) > 5
        for path in paths:
            key = path.relative_to(tmp_path).as_posix()
            assert path.read_bytes() == plain(object_url(facade, "images", key)), key

    def test_sync_again_does_nothing(self, images, tmp_path):
        copy = ["cp", "--recursive", "--update", "--preserve=timestamps", "--verbose"]
        copy += [str(images / "two.ome.zarr"), str(tmp_path)]
        subprocess.run(copy, capture_output=True, check=True)
        again = subprocess.run(copy, capture_output=True, check=True, text=True).stdout
        assert "->" not in again, again

    def test_signed_get(self, private, folder_bytes, tmp_path):
        with mounted(private.facade.url, "vault", tmp_path, *password(private, tmp_path, private.secret)) as place:
            for key, data in folder_bytes.items():
                assert (place / key).read_bytes() == data, key

    def test_wrong_secret(self, private, tmp_path):
        with (
            pytest.raises(RuntimeError, match=r"403|SignatureDoesNotMatch|invalid credentials"),
            mounted(private.facade.url, "vault", tmp_path, *password(private, tmp_path, "wrong-secret")),
        ):
            pass

    def test_denied_bucket(self, private, tmp_path):
        with (
            pytest.raises(RuntimeError, match=r"403|AccessDenied|invalid credentials"),
            mounted(private.facade.url, "closed", tmp_path, *password(private, tmp_path, private.secret)),
        ):
            pass

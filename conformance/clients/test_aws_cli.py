"""The AWS command line, as a user types it: version 1; what version 2 shares is here, too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.contract import S3Contract, crop_of, cut, same
from conformance.shards import group_arrays
from conformance.signed import SignedContract, object_url, plain

PROGRAM = shutil.which("aws", path=str(Path(sys.executable).parent))


def version_of(program):
    """What ``aws --version`` says."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).split()[0].partition("/")[2]


if PROGRAM is None:
    pytest.skip("the command aws is not installed (pip install awscli)", allow_module_level=True)


class MissingError(Exception):
    """The command reported 404."""


class AwsCli:
    """The verbs of the contracts; one process each, with ``extra`` in its environment."""

    missing = (MissingError,)
    refused = (RuntimeError,)

    def __init__(self, program: str, url: str, scratch: Path, key: str = "", secret: str = "", **extra: str) -> None:
        self.program, self.url, self.scratch = program, url, scratch
        account = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret} if key else {}
        self.environment = {"AWS_PAGER": "", **account, **extra}
        self.signs = bool(key) or "AWS_PROFILE" in extra

    def run(self, *args: str) -> str:
        """Standard output of ``aws ARGS``."""
        unsigned = () if self.signs else ("--no-sign-request",)
        command = [self.program, *unsigned, "--endpoint-url", self.url, *args]
        environment = os.environ | self.environment
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
        if done.returncode:
            if "(404)" in done.stderr or "NoSuchKey" in done.stderr:
                raise MissingError(done.stderr)
            raise RuntimeError(done.stderr)
        return done.stdout

    def keys(self, bucket, prefix):
        lines = self.run("s3", "ls", "--recursive", f"s3://{bucket}/{prefix}").splitlines()
        return [(line[31:], int(line[20:30])) for line in lines]

    def folder(self, bucket, prefix):
        keys, prefixes = [], []
        for line in self.run("s3", "ls", f"s3://{bucket}/{prefix}").splitlines():
            if line.lstrip().startswith("PRE "):
                prefixes.append(prefix + line.lstrip()[4:])
            else:
                keys.append(prefix + line[31:])
        return keys, prefixes

    def head(self, bucket, key):
        found = json.loads(self.run("s3api", "head-object", "--bucket", bucket, "--key", key))
        return found["ContentLength"], found["ETag"]

    def get(self, bucket, key, start=None, stop=None):
        target = self.scratch / "object"
        if start is None:
            self.run("s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", str(target))
        else:
            wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{'' if stop is None else stop - 1}"
            self.run("s3api", "get-object", "--bucket", bucket, "--key", key, "--range", wanted, str(target))
        return target.read_bytes()

    def presign(self, bucket, key):
        return self.run("s3", "presign", f"s3://{bucket}/{key}", "--expires-in", "60").strip()

    def _status(self, bucket, key, *condition) -> str:
        try:
            self.run("s3api", "get-object", "--bucket", bucket, "--key", key, *condition, str(self.scratch / "object"))
        except RuntimeError as error:
            known = {"304": ("(304)",), "412": ("(412)", "PreconditionFailed")}
            return next((code for code, marks in known.items() if any(m in str(error) for m in marks)), str(error))
        return "200"

    def if_none_match(self, bucket, key, etag):
        return self._status(bucket, key, "--if-none-match", etag)

    def if_match(self, bucket, key, etag):
        return self._status(bucket, key, "--if-match", etag)


class AwsCliContract(S3Contract, SignedContract):
    """A process per call is slow: the pixel tests read what ``aws s3 sync`` brought. Each class has a ``program``."""

    program: str

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls, facade, tmp_path_factory):
        return AwsCli(cls.program, facade.url, tmp_path_factory.mktemp("aws"))

    @pytest.fixture(scope="class")
    @classmethod
    def sign(cls, private, tmp_path_factory):
        scratch = tmp_path_factory.mktemp("signed")
        return lambda key, secret, **extra: AwsCli(cls.program, private.facade.url, scratch, key, secret, **extra)

    @pytest.fixture(scope="class")
    @classmethod
    def synced(cls, adapter, tmp_path_factory):
        target = tmp_path_factory.mktemp("synced")
        options = ("--exclude", "*", "--include", "pyramid*", "--include", "stack*", "--include", "two*")
        first = adapter.run("s3", "sync", "--no-progress", "s3://images/", str(target), *options)
        assert "download: s3://images/stack.ome.zarr/zarr.json" in first
        return target, options

    def test_copy_of_an_image(self, sign, private, facade, tmp_path):
        """By sync: a process for each object would take minutes."""
        sign(private.key, private.secret).run("s3", "sync", "s3://vault-images/two.ome.zarr", str(tmp_path))
        copied = [p for p in tmp_path.rglob("*") if p.is_file()]
        assert len(copied) > 5
        for path in copied:
            key = f"two.ome.zarr/{path.relative_to(tmp_path).as_posix()}"
            assert path.read_bytes() == plain(object_url(facade, "images", key)), key

    @pytest.mark.parametrize("how", [(), ("--size-only",), ("--exact-timestamps",)], ids="".join)
    def test_sync_again_does_nothing(self, adapter, synced, how):
        target, options = synced
        assert adapter.run("s3", "sync", "--no-progress", *how, "s3://images/", str(target), *options) == ""

    def test_sync_files_again_does_nothing(self, adapter, folder, tmp_path):
        adapter.run("s3", "sync", "--quiet", "s3://files/", str(tmp_path))
        assert adapter.run("s3", "sync", "--no-progress", "s3://files/", str(tmp_path)) == ""
        for path in folder.rglob("*"):
            if path.is_file():
                assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()

    def test_pixels_of_every_level(self, synced, samples):
        for name in ("pyramid.ome.zarr", "stack.ome.zarr", "two.ome.zarr/0", "two.ome.zarr/1"):
            for i, array in enumerate(group_arrays(_local(synced[0]), name)):
                same(array.read(), samples[name].level(i, array.shape), f"{name} level {i}")

    def test_pixels_of_a_crop(self, adapter, samples):
        name = "deep/größe/a b+c.ome.zarr"
        array = group_arrays(lambda k, a, b: adapter.get("images", k, a, b), name)[0]
        box = crop_of(array.shape)
        same(array.read(*box), cut(samples[name].level(0, array.shape), box), name)

    def test_listed_sizes_are_true(self, adapter, synced):
        listed = adapter.keys("images", "two.ome.zarr/")
        assert listed
        for key, size in listed:
            assert (synced[0] / key).stat().st_size == size, key

    def test_buckets(self, adapter):
        assert [line.split()[-1] for line in adapter.run("s3", "ls").splitlines()] == ["files", "images"]

    def test_pages(self, adapter, tree):
        """The paginator's own tokens, which count entries within a page of the server."""
        found, token = [], None
        for _ in range(4):
            more = () if token is None else ("--starting-token", token)
            command = ("s3api", "list-objects-v2", "--bucket", "files", "--page-size", "3", "--max-items", "5", *more)
            page = json.loads(adapter.run(*command))
            found += [(o["Key"], o["Size"]) for o in page["Contents"]]
            token = page["NextToken"]
        assert found == [(key, tree[key]) for key in sorted(tree, key=str.encode)[:20]]

    def test_buckets_by_api(self, sign, private):
        client = sign(private.key, private.secret)
        listed = json.loads(client.run("s3api", "list-buckets"))["Buckets"]
        assert [bucket["Name"] for bucket in listed] == ["vault", "vault-images"]
        client.run("s3api", "head-bucket", "--bucket", "vault")
        assert json.loads(client.run("s3api", "get-bucket-location", "--bucket", "vault"))["LocationConstraint"] is None
        client.run("s3api", "wait", "object-exists", "--bucket", "vault", "--key", "many/7.txt")

    def test_to_standard_output(self, sign, private):
        assert sign(private.key, private.secret).run("s3", "cp", "s3://vault/many/7.txt", "-") == "7\n"

    @pytest.mark.parametrize("when", ["when_supported", "when_required"])
    def test_checksum_modes(self, sign, private, folder_bytes, when):
        modes = {"AWS_REQUEST_CHECKSUM_CALCULATION": when, "AWS_RESPONSE_CHECKSUM_VALIDATION": when}
        client = sign(private.key, private.secret, **modes)
        assert client.get("vault", "two.ome.tif") == folder_bytes["two.ome.tif"]
        target = client.scratch / "document"
        where = ("--bucket", "vault-images", "--key", "two.ome.zarr/zarr.json", "--checksum-mode", "ENABLED")
        found = json.loads(client.run("s3api", "get-object", *where, str(target)))
        assert found["ContentLength"] == target.stat().st_size

    @pytest.mark.parametrize("style", ["path", "auto"])
    def test_profile_and_settings(self, sign, private, folder_bytes, tmp_path, style):
        """As ``aws configure`` writes them, with what version 2 and careful users set."""
        (tmp_path / "credentials").write_text(
            f"[lab]\naws_access_key_id = {private.key}\naws_secret_access_key = {private.secret}\n", encoding="utf-8"
        )
        (tmp_path / "config").write_text(
            "[profile lab]\nregion = us-east-1\ncli_follow_urlparam = false\noutput = json\ns3 =\n"
            f"  addressing_style = {style}\n  payload_signing_enabled = true\n  max_concurrent_requests = 4\n"
            "  multipart_threshold = 1MB\n  multipart_chunksize = 1MB\n",
            encoding="utf-8",
        )
        files = {name: str(tmp_path / name) for name in ("config", "credentials")}
        where = {"AWS_CONFIG_FILE": files["config"], "AWS_SHARED_CREDENTIALS_FILE": files["credentials"]}
        client = sign("", "", AWS_PROFILE="lab", **where)
        assert client.get("vault", "slide.svs") == folder_bytes["slide.svs"]  # larger than a part
        assert plain(client.presign("vault", "many/7.txt")) == b"7\n"

    def test_writes_are_refused(self, sign, private, tmp_path):
        client = sign(private.key, private.secret)
        (tmp_path / "new").write_bytes(b"x" * 100_000)
        with pytest.raises(RuntimeError, match="AccessDenied"):
            client.run("s3", "cp", str(tmp_path / "new"), "s3://vault/new")
        with pytest.raises(RuntimeError, match="AccessDenied"):
            client.run("s3", "rm", "s3://vault/slide.svs")


class TestAwsCli(AwsCliContract):
    CLIENT, VERSION, program = "aws cli", version_of(PROGRAM), PROGRAM


def _local(root: Path):
    def fetch(key: str, start: int | None, stop: int | None) -> bytes:
        data = (root / key).read_bytes()
        return data if start is None else data[start:stop]

    return fetch

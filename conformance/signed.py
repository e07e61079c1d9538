"""What a client that signs must be able to do, and be refused, on a server with private buckets.

A client's file supplies two fixtures: ``private`` comes from `conformance.clients.conftest`, ``sign`` from the file.
``sign(key, secret)`` is an adapter of the contract that signs with them, or is anonymous where both are empty.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from conformance.contract import Adapter
from conformance.server import ROOT, Facade


class Signing(Adapter, Protocol):
    """An adapter that also signs."""

    refused: tuple[type[BaseException], ...]
    """What the client raises for a 403; its text must tell the refusal."""

    def presign(self, bucket: str, key: str) -> str:
        """A URL that gives the object to anyone for a minute."""
        ...


Sign = Callable[[str, str], Signing]

REFUSAL = (
    "(?i)403|Access[ _]?Denied|Signature_?Does_?Not_?Match|Invalid_?Access_?Key_?Id|Forbidden"
    # what mc says of the same codes
    "|signature we calculated|access key Id you provided|Insufficient permissions"
)


@dataclass(frozen=True)
class Private:
    """A server with private buckets over the common folder.

    Attributes:
        facade: The server. Its buckets: ``vault`` (the files) and ``vault-images`` (images) are open to the key,
            ``closed`` (the files again) to another key only.
        key: Access key of 20 characters.
        secret: Its secret, with characters that need quoting.
        config: The configuration file of the server.
    """

    facade: Facade
    key: str
    secret: str
    config: Path

    def link(self, bucket: str, prefix: str) -> str:
        """What ``s3facade share`` prints: an address that opens everything below ``prefix`` for an hour."""
        command = [sys.executable, "-m", "s3facade", "share", f"s3://{bucket}/{prefix}", str(self.config)]
        command += ["--expires", "1h", "--url", self.facade.url]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT).stdout.strip()


def plain(url: str) -> bytes:
    """Body of a GET by urllib, which knows nothing of S3."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


def object_url(facade: Facade, bucket: str, key: str) -> str:
    """The address of an object, path style."""
    return f"{facade.url}/{bucket}/{urllib.parse.quote(key)}"


class SignedContract:
    """Tests that a client's file inherits."""

    def test_signed_list(self, sign: Sign, private: Private, tree: dict[str, int]) -> None:
        client = sign(private.key, private.secret)
        assert client.keys("vault", "") == [(k, tree[k]) for k in sorted(tree, key=str.encode)]

    def test_signed_get(self, sign: Sign, private: Private, folder_bytes: dict[str, bytes]) -> None:
        client = sign(private.key, private.secret)
        for key, data in folder_bytes.items():
            assert client.get("vault", key) == data, key
            assert client.head("vault", key)[0] == len(data), key

    def test_copy_of_an_image(self, sign: Sign, private: Private, facade: Facade) -> None:
        """Byte for byte what another server shows anonymously over the same folder."""
        client = sign(private.key, private.secret)
        listed = [pair for group in ("two.ome.zarr/", "flat.ome.zarr/") for pair in client.keys("vault-images", group)]
        assert len(listed) > 10
        for key, size in listed:
            data = client.get("vault-images", key)
            assert len(data) == size, key
            expected = plain(object_url(facade, "images", key))
            assert hashlib.sha256(data).digest() == hashlib.sha256(expected).digest(), key

    def test_signed_missing_key(self, sign: Sign, private: Private) -> None:
        client = sign(private.key, private.secret)
        with pytest.raises(client.missing):
            client.get("vault", "absent.tif")

    def test_presigned_get(self, sign: Sign, private: Private, folder_bytes: dict[str, bytes]) -> None:
        client = sign(private.key, private.secret)
        for key, data in folder_bytes.items():
            url = client.presign("vault", key)
            assert plain(url) == data, key
            other = url.replace(urllib.parse.quote(key), "many/8.txt")
            assert other != url
            with pytest.raises(urllib.error.HTTPError, match="403"):
                plain(other)

    def test_wrong_secret(self, sign: Sign, private: Private) -> None:
        self._refused(sign(private.key, private.secret[:-1] + "x"), "vault")

    def test_unknown_access_key(self, sign: Sign, private: Private) -> None:
        self._refused(sign("AKIAUNKNOWNUNKNOWN00", private.secret), "vault")

    def test_denied_bucket(self, sign: Sign, private: Private) -> None:
        self._refused(sign(private.key, private.secret), "closed")

    def test_anonymous_is_refused(self, sign: Sign, private: Private) -> None:
        self._refused(sign("", ""), "vault")

    def _refused(self, client: Signing, bucket: str) -> None:
        with pytest.raises(client.refused, match=REFUSAL):
            client.get(bucket, "many/7.txt")
        with pytest.raises(client.refused, match=REFUSAL):
            client.keys(bucket, "many/")

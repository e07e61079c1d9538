"""Lines to copy and paste: how each client opens an image of this server."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from s3facade.catalog.catalog import Viewable

NEUROGLANCER = "https://neuroglancer-demo.appspot.com/"
VIZARR = "https://hms-dbmi.github.io/vizarr/"
KEYED = [("", "with a key of the configuration in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]


def lines(url: str, image: Viewable, *, private: bool) -> list[str]:
    """One line per client, indented.

    Args:
        url: Of the server, without a final slash.
        image: What to open.
        private: Leave out what works with anonymous access only.
    """
    bucket, prefix = image.bucket, image.prefix
    if image.format == "file":
        return _shown(_file(url, image, private=private))
    address = f"s3://{bucket}/{prefix}".rstrip("/")
    web = f"{url}/{quote(f'{bucket}/{prefix}'.rstrip('/'))}"
    found = [("aws", aws(url, address, private=private)), ("rclone", rclone(url, bucket, prefix, private=private))]
    if image.format == "precomputed":
        found.append(("Python", tensorstore(url, image, private=private)))
        if not private:
            found.append(("", f"cloudvolume.CloudVolume('precomputed://{web}')"))
            found.append(("Neuroglancer", neuroglancer(web, prefix or bucket, image.scale, "neuroglancer-precomputed")))
    else:
        found.append(("Python", python(url, address, private=private)))
        if not private:
            found.append(("", f"zarr.open({web!r}, mode='r')"))
            found.append(("Neuroglancer", neuroglancer(web, prefix or bucket, image.scale)))
            found.append(("vizarr", f"{VIZARR}?source={web}"))
    return _shown(found + KEYED * private)


def _shown(found: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {name:<13} {line}" for name, line in found]


def _file(url: str, image: Viewable, *, private: bool) -> list[tuple[str, str]]:
    """How an image that is one file is fetched; programs for it take the address, or the file."""
    unsigned, auth = ("", ",env_auth=true") if private else ("--no-sign-request ", "")
    key = f"{image.bucket}/{image.prefix}"
    remote = f':s3,provider=Other{auth},endpoint="{url}":{key}'
    found = [
        ("aws", f"aws --endpoint-url {url} {unsigned}s3 cp {shlex.quote(f's3://{key}')} ."),
        ("rclone", f"rclone copy {shlex.quote(remote)} ."),
    ]
    return found + (KEYED if private else [("address", f"{url}/{quote(key)}")])


def tensorstore(url: str, image: Viewable, *, private: bool = False) -> str:
    """The Python expression that opens a precomputed volume."""
    who = "environment" if private else "anonymous"
    store = {"driver": "s3", "bucket": image.bucket, "path": f"{image.prefix}/".lstrip("/"), "endpoint": url}
    store |= {"aws_region": "us-east-1"}
    kvstore = {**store, "aws_credentials": {"type": who}}
    return f"tensorstore.open({ {'driver': 'neuroglancer_precomputed', 'kvstore': kvstore}!r}).result()"


def aws(url: str, address: str, *, private: bool = False) -> str:
    """The aws command that lists an image."""
    unsigned = "" if private else "--no-sign-request "
    return f"aws --endpoint-url {url} {unsigned}s3 ls {shlex.quote(address + '/')}"


def rclone(url: str, bucket: str, prefix: str, *, private: bool = False) -> str:
    """The rclone command that lists an image, without any rclone configuration."""
    auth = ",env_auth=true" if private else ""
    remote = f':s3,provider=Other{auth},endpoint="{url}":{bucket}/{prefix}'
    return f"rclone lsf {shlex.quote(remote)}"


def python(url: str, address: str, *, private: bool = False) -> str:
    """The Python expression that opens an image through S3."""
    options = {"endpoint_url": url} if private else {"anon": True, "endpoint_url": url}
    return f"zarr.open({address!r}, mode='r', storage_options={options!r})"


def neuroglancer(web: str, name: str, scale: Mapping[str, float | None], kind: str = "zarr3") -> str:
    """A link that shows an image in the hosted Neuroglancer.

    Args:
        web: URL of the image.
        name: What the layer is called.
        scale: µm per voxel along x, y, z. Without it Neuroglancer takes the axes as they are stored, y to the right.
        kind: What Neuroglancer calls its format.
    """
    dimensions = {axis: [1, ""] if size is None else [size * 1e-6, "m"] for axis, size in scale.items()}
    state = {"dimensions": dimensions, "layers": [{"type": "auto", "source": f"{web}/|{kind}:", "name": name}]}
    return f"{NEUROGLANCER}#!{quote(json.dumps(state, separators=(',', ':')), safe='/:,|')}"

"""Header lines of objects."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING

from s3facade.core.errors import BadRequest
from s3facade.s3 import documents

if TYPE_CHECKING:
    from s3facade.catalog.catalog import Found
    from s3facade.s3.ports import BucketInfo

OVERRIDES = {
    "response-content-type": "Content-Type",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
}


FOR_EVER = "max-age=31536000, immutable"


def lines(found: Found, info: BucketInfo, *, pinned: bool = False) -> bytes:
    """All header lines of the object but its length; the same for HEAD, GET and every range.

    ``pinned``: the address names the version, so that caches may keep it for ever; shared ones only what is public.
    """
    text = f"{validators(found)}Content-Type: {found.file.media_type}\r\n"
    # "Accept-Range" is misspelt on purpose: the OME-Zarr world asks for it beside the real one.
    text += "Accept-Ranges: bytes\r\nAccept-Range: bytes\r\n"
    return (text + _keep(info, pinned=pinned)).encode()


def unmodified(found: Found, info: BucketInfo, *, pinned: bool = False) -> bytes:
    """Header lines of an answer that says: you have it already, and may keep it."""
    return (validators(found) + _keep(info, pinned=pinned)).encode()


def _keep(info: BucketInfo, *, pinned: bool) -> str:
    if pinned:
        return f"Cache-Control: {'public' if info.access == 'public' else 'private'}, {FOR_EVER}\r\n"
    return f"Cache-Control: {info.cache_control}\r\n" if info.cache_control else ""


def validators(found: Found) -> str:
    """ETag and Last-Modified."""
    modified = formatdate(documents.writable(found.file.modified // 10**9), usegmt=True)
    return f'ETag: "{found.etag}"\r\nLast-Modified: {modified}\r\n'


def override(plain: bytes, query: Mapping[str, str]) -> bytes:
    """``plain`` with what the ``response-*`` parameters of a signed request replace.

    Raises:
        BadRequest: A value that cannot stand in a header.
    """
    kept = plain.decode().split("\r\n")[:-1]
    for parameter, name in OVERRIDES.items():
        if parameter in query:
            value = query[parameter]
            if any(c < " " or c == "\x7f" for c in value):
                raise BadRequest(f"{parameter} holds a control character.")
            kept = [line for line in kept if not line.startswith(name + ":")]
            kept.append(f"{name}: {value}")
    return "".join(f"{line}\r\n" for line in kept).encode()

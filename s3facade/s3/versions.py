"""ListObjectVersions: every object has one version, called null, and nothing was ever deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from s3facade.s3 import listing
from s3facade.s3.documents import DECLARATION, NAMESPACE, OWNER, escape, timestamp, visible
from s3facade.s3.listing import Listing, bad, encode

if TYPE_CHECKING:
    from s3facade.catalog.catalog import Found


def parse(bucket: str, query: Mapping[str, str], lead: str = "") -> Listing:
    """Read the parameters; ``token`` is the version-id-marker.

    Raises:
        BadArgument: A value that S3 refuses.
    """
    after = query.get("version-id-marker", "")
    if after and not query.get("key-marker"):
        raise bad("version-id-marker", after[:64], "A version-id marker cannot be specified without a key marker.")
    if after not in ("", "null"):
        raise bad("version-id-marker", after[:64], "Invalid version id specified")
    plain = {"marker": listing.text(query, "key-marker")}
    plain |= {n: query[n] for n in ("prefix", "delimiter", "max-keys", "encoding-type") if n in query}
    return replace(listing.parse(bucket, plain, lead), token=after)


def page(ask: Listing, items: Sequence[Found | str], onward: Found | str | None = None) -> bytes:
    """The document for ``items``, all of them `listing.carried`: one more than ``ask.limit`` when the list goes on.

    A page that ends early goes on behind ``onward``, which it need not show.
    """
    shown = items[: ask.limit]
    name = encode if ask.encoded else escape
    rows, folders = [], []
    for item in shown:
        text = ask.lead + (item if isinstance(item, str) else item.key)
        if isinstance(item, str):
            folders.append(f"<CommonPrefixes><Prefix>{name(text)}</Prefix></CommonPrefixes>")
        else:
            rows.append(
                f"<Version><Key>{name(text)}</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>"
                f"<LastModified>{timestamp(item.file.modified)}</LastModified><ETag>&quot;{item.etag}&quot;</ETag>"
                f"<Size>{item.file.size}</Size>{OWNER}<StorageClass>STANDARD</StorageClass></Version>"
            )
    head = _head(ask, shown[-1] if len(items) > ask.limit else onward)
    return (
        f'{DECLARATION}<ListVersionsResult xmlns="{NAMESPACE}">{head}{"".join(rows)}{"".join(folders)}'
        "</ListVersionsResult>"
    ).encode()


def _head(ask: Listing, last: Found | str | None) -> str:
    """All that stands before the first entry; ``last`` is the last one of a page that others follow."""
    name = encode if ask.encoded else visible
    marker = ask.lead + ask.marker if ask.marker else ""
    parts = [
        f"<Name>{ask.bucket}</Name><Prefix>{name(ask.lead + ask.prefix)}</Prefix>",
        f"<KeyMarker>{name(marker)}</KeyMarker><VersionIdMarker>{ask.token}</VersionIdMarker>",
    ]
    if last is not None:
        text = last if isinstance(last, str) else last.key
        parts.append(f"<NextKeyMarker>{name(ask.lead + text)}</NextKeyMarker>")
        if not isinstance(last, str):
            parts.append("<NextVersionIdMarker>null</NextVersionIdMarker>")
    parts.append(f"<MaxKeys>{ask.limit}</MaxKeys>")
    if ask.delimiter:
        parts.append(f"<Delimiter>{name(ask.delimiter)}</Delimiter>")
    if ask.encoded:
        parts.append("<EncodingType>url</EncodingType>")
    parts.append(f"<IsTruncated>{'false' if last is None else 'true'}</IsTruncated>")
    return "".join(parts)

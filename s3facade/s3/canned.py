"""Documents about buckets and objects that are the same for all of them, or follow from their access alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from s3facade.core.errors import BadArgument, BadRequest
from s3facade.s3 import cors
from s3facade.s3.documents import DECLARATION, NAMESPACE, OWNER, OWNER_ID, escape, visible

if TYPE_CHECKING:
    from s3facade.catalog.catalog import Found
    from s3facade.s3.ports import BucketInfo, Headers

_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_OWNERS = (
    f'<Grant><Grantee xmlns:xsi="{_INSTANCE}" xsi:type="CanonicalUser"><ID>{OWNER_ID}</ID>'
    f"<DisplayName>{OWNER_ID}</DisplayName></Grantee><Permission>FULL_CONTROL</Permission></Grant>"
)
_EVERYBODY = (
    f'<Grant><Grantee xmlns:xsi="{_INSTANCE}" xsi:type="Group">'
    "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
)
_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


def _document(name: str, inner: str = "") -> bytes:
    return f'{DECLARATION}<{name} xmlns="{NAMESPACE}">{inner}</{name}>'.encode()


EMPTY: Mapping[str, bytes] = {
    "GetBucketVersioning": _document("VersioningConfiguration"),
    "GetBucketLogging": _document("BucketLoggingStatus"),
    "GetBucketNotification": _document("NotificationConfiguration"),
    "GetBucketAccelerate": _document("AccelerateConfiguration"),
    "GetBucketRequestPayment": _document("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
    "GetObjectTagging": _document("Tagging", "<TagSet></TagSet>"),
}
"""Documents that are the same for every bucket, by operation."""


def acl(*, everybody: bool) -> bytes:
    """GetBucketAcl and GetObjectAcl: the owner, and everybody where it is public."""
    grants = _OWNERS + (_EVERYBODY if everybody else "")
    return _document("AccessControlPolicy", f"{OWNER}<AccessControlList>{grants}</AccessControlList>")


def rule(info: BucketInfo) -> bytes:
    """GetBucketCors: the rule that is in effect."""
    parts = ["<AllowedHeader>*</AllowedHeader><AllowedMethod>GET</AllowedMethod><AllowedMethod>HEAD</AllowedMethod>"]
    parts += [f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>" for origin in info.cors]
    parts += [f"<ExposeHeader>{name}</ExposeHeader>" for name in cors.EXPOSED.split(", ")]
    parts.append(f"<MaxAgeSeconds>{cors.MAX_AGE}</MaxAgeSeconds>")
    return _document("CORSConfiguration", f"<CORSRule>{''.join(parts)}</CORSRule>")


def policy_status(info: BucketInfo) -> bytes:
    """GetBucketPolicyStatus: whether anybody may read."""
    text = "false" if info.access == "private" else "true"
    return _document("PolicyStatus", f"<IsPublic>{text}</IsPublic>")


def uploads(info: BucketInfo, query: Mapping[str, str]) -> bytes:
    """ListMultipartUploads: there are none."""
    url = query.get("encoding-type", "")
    if url not in ("", "url"):
        message = "Invalid Encoding Method specified in Request"
        raise BadArgument(message, ArgumentName="encoding-type", ArgumentValue=url)
    inner = (
        f"<Bucket>{info.name}</Bucket><KeyMarker>{visible(query.get('key-marker', ''))}</KeyMarker>"
        f"<UploadIdMarker>{visible(query.get('upload-id-marker', ''))}</UploadIdMarker>"
        "<NextKeyMarker></NextKeyMarker><NextUploadIdMarker></NextUploadIdMarker>"
        f"<Delimiter>{visible(query.get('delimiter', ''))}</Delimiter>"
        f"<Prefix>{visible(query.get('prefix', ''))}</Prefix><MaxUploads>1000</MaxUploads>"
        "<IsTruncated>false</IsTruncated>"
    )
    return _document("ListMultipartUploadsResult", inner)


def attributes(found: Found, size: int, checksum: str, headers: Headers) -> bytes:
    """GetObjectAttributes: those of the asked ones that the object has; ``checksum`` is empty where none is known.

    Raises:
        BadRequest: None is asked for.
        BadArgument: One that S3 does not know.
    """
    try:
        lines = headers.getall("x-amz-object-attributes")
    except KeyError:
        lines = []
    asked = {name.strip() for line in lines for name in line.split(",")} - {""}
    if not asked:
        raise BadRequest("The x-amz-object-attributes header is either missing or empty.")
    if unknown := sorted(asked - {*_ATTRIBUTES}):
        raise BadArgument(
            "Invalid attribute name specified.",
            ArgumentName="x-amz-object-attributes",
            ArgumentValue=",".join(unknown)[:64],
        )
    values = {"ETag": found.etag, "StorageClass": "STANDARD", "ObjectSize": str(size)}
    if checksum:
        values["Checksum"] = f"<ChecksumCRC32>{checksum}</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>"
    inner = "".join(f"<{name}>{values[name]}</{name}>" for name in _ATTRIBUTES if name in asked and name in values)
    return _document("GetObjectAttributesResponse", inner)

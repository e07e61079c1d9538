"""Which operation a request is: only those that are listed here exist."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from s3facade.core.errors import BadArgument, MethodNotAllowed, NoSuchVersion, NotSupported, ReadOnly
from s3facade.s3.codes import ABSENT

if TYPE_CHECKING:
    from s3facade.s3.target import Target

Operation: TypeAlias = Literal[
    "ListBuckets", "HeadBucket", "ListObjects", "ListObjectVersions", "ListMultipartUploads",
    "GetBucketLocation", "GetBucketAcl", "GetBucketCors", "GetBucketPolicyStatus", "GetBucketVersioning",
    "GetBucketLogging", "GetBucketNotification", "GetBucketAccelerate", "GetBucketRequestPayment",
    "GetObject", "HeadObject", "GetObjectAttributes", "GetObjectTagging", "GetObjectAcl", "Absent",
]  # fmt: skip
"""``Absent`` is any part of a configuration that S3 knows and that nothing here has."""

WRITES = frozenset({"PUT", "POST", "DELETE", "PATCH", "MKCOL", "COPY", "MOVE", "PROPPATCH", "LOCK", "UNLOCK"})
SUBRESOURCES = (
    "abac", "accelerate", "acl", "analytics", "annotation", "attributes", "cors", "delete", "encryption",
    "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging", "metadataConfiguration",
    "metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
    "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads",
    "versioning", "versions", "website",
)  # fmt: skip
"""Query parameters that turn a request into another one; none of them falls through to list or get."""
OF_BUCKETS: Mapping[str, Operation] = MappingProxyType(
    {
        "accelerate": "GetBucketAccelerate",
        "acl": "GetBucketAcl",
        "cors": "GetBucketCors",
        "location": "GetBucketLocation",
        "logging": "GetBucketLogging",
        "notification": "GetBucketNotification",
        "policyStatus": "GetBucketPolicyStatus",
        "requestPayment": "GetBucketRequestPayment",
        "uploads": "ListMultipartUploads",
        "versioning": "GetBucketVersioning",
        "versions": "ListObjectVersions",
        **{
            name: "Absent"
            for name in (*ABSENT, "analytics", "intelligent-tiering", "inventory", "metrics")
            if name not in ("cors", "legal-hold", "retention", "uploadId")
        },
    }
)
OF_OBJECTS: Mapping[str, Operation] = MappingProxyType(
    {
        "acl": "GetObjectAcl",
        "attributes": "GetObjectAttributes",
        "tagging": "GetObjectTagging",
        "legal-hold": "Absent",
        "retention": "Absent",
        "uploadId": "Absent",
    }
)


def refuse_write(method: str) -> None:
    """Anything that could change something ends here, before anything of it is read.

    Raises:
        ReadOnly: A write.
        MethodNotAllowed: A method S3 does not have.
    """
    if method in WRITES:
        raise ReadOnly("Access Denied: this server is read-only.")
    if method not in ("GET", "HEAD"):
        raise MethodNotAllowed("The specified method is not allowed against this resource.", Method=method)


def classify(method: str, target: Target) -> tuple[Operation, str]:
    """The operation of a GET or HEAD, and the query parameter that made it so (``""``: none).

    Raises:
        NotSupported: A sub-resource that is not offered.
        MethodNotAllowed: HEAD of something that has only GET.
        NoSuchVersion: A version other than the only one.
        BadArgument: An empty version.
    """
    query = target.query
    known = {} if target.bucket is None else OF_BUCKETS if target.whole else OF_OBJECTS
    found: tuple[Operation, str] | None = None
    for name in SUBRESOURCES:
        if name in query:
            if method == "HEAD":
                raise MethodNotAllowed("The specified method is not allowed against this resource.", Method=method)
            if name not in known or found is not None:
                raise NotSupported(f"The sub-resource ?{name} is not offered by this server.", Header=name)
            found = known[name], name
    if target.bucket is None:
        return "ListBuckets", ""
    if target.whole:
        return found or ("HeadBucket" if method == "HEAD" else "ListObjects", "")
    _only_version(query)
    return found or ("HeadObject" if method == "HEAD" else "GetObject", "")


def _only_version(query: Mapping[str, str]) -> None:
    """Every object has one version, called ``null`` as in buckets that never had any."""
    version = query.get("versionId", "null")
    if not version:
        message = "Version id cannot be the empty string"
        raise BadArgument(message, ArgumentName="versionId", ArgumentValue="")
    if version != "null":
        raise NoSuchVersion("The specified version does not exist.", VersionId=version[:64])

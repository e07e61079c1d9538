"""Which operation a request is: only those that are listed here exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from s3facade.core.errors import BadArgument, MethodNotAllowed, NotSupported, ReadOnly

if TYPE_CHECKING:
    from s3facade.s3.target import Target

Operation: TypeAlias = Literal[
    "ListBuckets", "HeadBucket", "GetBucketLocation", "ListObjects", "GetObject", "HeadObject"
]

WRITES = frozenset({"PUT", "POST", "DELETE", "PATCH", "MKCOL", "COPY", "MOVE", "PROPPATCH", "LOCK", "UNLOCK"})
SUBRESOURCES = (
    "abac", "accelerate", "acl", "analytics", "annotation", "attributes", "cors", "delete", "encryption",
    "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "logging", "metadataConfiguration",
    "metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
    "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads",
    "versioning", "versions", "website",
)  # fmt: skip
"""Query parameters that turn a request into another one; none of them falls through to list or get."""


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


def classify(method: str, target: Target) -> Operation:
    """The operation of a GET or HEAD.

    Raises:
        NotSupported: A sub-resource that is not offered.
        MethodNotAllowed: HEAD of something that has only GET.
        BadArgument: A version other than the only one.
    """
    query = target.query
    for name in SUBRESOURCES:
        if name in query:
            if method == "HEAD":
                raise MethodNotAllowed("The specified method is not allowed against this resource.", Method=method)
            raise NotSupported(f"The sub-resource ?{name} is not offered by this server.", Header=name)
    if target.bucket is None:
        return "ListBuckets"
    if not target.key:
        if "location" in query:
            return "GetBucketLocation"
        return "HeadBucket" if method == "HEAD" else "ListObjects"
    if query.get("versionId", "") not in ("", "null"):
        raise BadArgument(
            "Invalid version id specified", ArgumentName="versionId", ArgumentValue=query["versionId"][:64]
        )
    return "HeadObject" if method == "HEAD" else "GetObject"

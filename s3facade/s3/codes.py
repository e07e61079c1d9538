"""The one table from errors to S3 codes and status lines."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from s3facade.core import errors as e

CODES: Mapping[type[e.FacadeError], tuple[str, int]] = MappingProxyType(
    {
        e.NoSuchBucket: ("NoSuchBucket", 404),
        e.NoSuchKey: ("NoSuchKey", 404),
        e.NoSuchVersion: ("NoSuchVersion", 404),
        e.NotConfigured: ("NoSuchConfiguration", 404),
        e.NoSuchPart: ("InvalidPartNumber", 416),
        e.BadRange: ("InvalidRange", 416),
        e.BadArgument: ("InvalidArgument", 400),
        e.BadRequest: ("InvalidRequest", 400),
        e.KeyTooLong: ("KeyTooLongError", 400),
        e.Unmodified: ("NotModified", 304),
        e.ConditionFailed: ("PreconditionFailed", 412),
        # 403 and not 405: clients show it as a permission error and do not try again.
        e.ReadOnly: ("AccessDenied", 403),
        e.MethodNotAllowed: ("MethodNotAllowed", 405),
        e.NotSupported: ("NotImplemented", 501),
        e.AccessDenied: ("AccessDenied", 403),
        e.UnknownKey: ("InvalidAccessKeyId", 403),
        e.BadSignature: ("SignatureDoesNotMatch", 403),
        e.BadToken: ("InvalidToken", 400),
        e.OriginDenied: ("AccessForbidden", 403),
        e.ClockSkew: ("RequestTimeTooSkewed", 403),
        e.BadAuthorization: ("AuthorizationHeaderMalformed", 400),
        e.BadQueryAuthorization: ("AuthorizationQueryParametersError", 400),
        # Never 404 or 403: Zarr clients read those as "nothing here" and show fill values.
        e.SourceUnavailable: ("ServiceUnavailable", 503),
        e.SourceChanged: ("ServiceUnavailable", 503),
        e.SourceNotFound: ("InternalError", 500),
        e.SourceDenied: ("InternalError", 500),
        e.BadSource: ("InternalError", 500),
        e.Unsupported: ("InternalError", 500),
        e.NoImage: ("InternalError", 500),
        e.Overloaded: ("SlowDown", 503),
        e.BeingMade: ("SlowDown", 503),
        e.TooCostly: ("ServiceUnavailable", 503),
        e.TimedOut: ("ServiceUnavailable", 503),
    }
)

INTERNAL = ("InternalError", 500)
ABSENT: Mapping[str, str] = MappingProxyType(
    {
        "cors": "NoSuchCORSConfiguration",
        "encryption": "ServerSideEncryptionConfigurationNotFoundError",
        "legal-hold": "NoSuchObjectLockConfiguration",
        "lifecycle": "NoSuchLifecycleConfiguration",
        "object-lock": "ObjectLockConfigurationNotFoundError",
        "ownershipControls": "OwnershipControlsNotFoundError",
        "policy": "NoSuchBucketPolicy",
        "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
        "replication": "ReplicationConfigurationNotFoundError",
        "retention": "NoSuchObjectLockConfiguration",
        "tagging": "NoSuchTagSet",
        "uploadId": "NoSuchUpload",
        "website": "NoSuchWebsiteConfiguration",
    }
)
"""S3 has a code of its own, all with status 404, for each thing that is not configured; by query parameter."""


def code(error: BaseException) -> tuple[str, int]:
    """S3 code and status of ``error``; InternalError 500 for what no leaf of the tree describes."""
    if isinstance(error, e.NotConfigured) and error.what in ABSENT:
        return ABSENT[error.what], 404
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return INTERNAL

"""Names that S3 has rules for."""

from __future__ import annotations

import re

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")


def bucket_name(name: str) -> str:
    """``name``, if a bucket can have it; raises ValueError."""
    if not BUCKET.fullmatch(name) or ".." in name or _IPV4.fullmatch(name):
        raise ValueError("a bucket's name has 3 to 63 of a-z 0-9 . - and starts and ends with a letter or digit")
    return name

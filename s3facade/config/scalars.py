"""Types for plain scalars where no model says what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from s3facade.config.document import Plain

_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def free(value: Any) -> Any:
    """New containers by the core schema of YAML 1.2: unquoted numbers and booleans get types."""
    if isinstance(value, Mapping):
        return {k: free(v) for k, v in value.items()}
    if isinstance(value, list):
        return [free(v) for v in value]
    if not isinstance(value, Plain):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if _SPECIAL.fullmatch(value):
        return float(value.replace(".", ""))
    if _NUMBER.fullmatch(value):
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    return str(value)

"""What is said about images, as templates: captures and columns are put in for each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s3facade.config.template import Template


def constant(value: object) -> Any:
    """The value of templates that use no capture; None if any does."""
    return None if _varies(value) else filled(value, {})


def _varies(value: object) -> bool:
    if isinstance(value, Template):
        return bool(value.names)
    if isinstance(value, Mapping):
        return any(map(_varies, value.values()))
    return isinstance(value, tuple) and any(map(_varies, value))


def filled(value: object, captures: Mapping[str, object]) -> Any:
    """The value of templates for these captures."""
    if isinstance(value, Template):
        return value.fill(captures)
    if isinstance(value, Mapping):
        return {key: filled(item, captures) for key, item in value.items()}
    if isinstance(value, tuple):
        return [filled(item, captures) for item in value]
    return value

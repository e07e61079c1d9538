"""Documents in JSON, and what may be expected of their fields."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from s3facade.core.errors import BadSource, SourceNotFound
from s3facade.core.protocols import SourceFile

MAX_DOCUMENT = 64 << 20
"""Bytes of one document; consolidated metadata of a plate are the largest that occur."""
MAX_NOTED = 1 << 20
"""Characters of JSON that are kept as the format's own metadata."""
MAX_DIMS = 32

Document = Mapping[str, Any]


def document(file: SourceFile) -> Document:
    """The JSON object that is the content of ``file``.

    Raises:
        BadSource: It holds something else.
    """
    name = file.source.path.rpartition("/")[2]
    if file.source.size > MAX_DOCUMENT:
        raise BadSource(f"The document {name} has {file.source.size} bytes; more than {MAX_DOCUMENT} are not read.")
    try:
        found = json.loads(bytes(file.pread(0, file.source.size)))
    except (ValueError, RecursionError) as error:
        raise BadSource(
            f"The document {name} is not JSON; it is damaged.", private=f"{file.source.path}: {error}"
        ) from (error)
    if not isinstance(found, dict):
        raise BadSource(f"The document {name} holds no JSON object.", private=file.source.path)
    return found


def beside(file: SourceFile, name: str) -> SourceFile | None:
    """The file called ``name`` in the folder of ``file`` or below it; None if there is none."""
    try:
        return file.sibling(name)
    except SourceNotFound:
        return None


def part(file: SourceFile, name: str) -> SourceFile | None:
    """`beside`, for parts of which there may be many, and which need not be there."""
    find = getattr(file, "find", None)
    return cast("SourceFile | None", find(name)) if find is not None else beside(file, name)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Within it, a field of another kind than the format has is a damaged document."""
    try:
        yield
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise BadSource(
            f"The metadata of the {what} contradict the format; a field is missing or has another kind of value.",
            private=f"{type(error).__name__}: {error}"[:500],
        ) from error


def whole(values: object, what: str, least: int = 0) -> tuple[int, ...]:
    """A list of whole numbers.

    Raises:
        BadSource: It is none, or a number is less than ``least``.
    """
    if not isinstance(values, list) or len(values) > MAX_DIMS:
        raise BadSource(f"The field {what} is {values!r:.80}; it has to be a list of whole numbers.")
    if not all(type(v) is int and least <= v < 1 << 53 for v in values):
        raise BadSource(f"The field {what} is {values!r:.80}; it has to hold whole numbers of at least {least}.")
    return tuple(values)


def numbers(values: object, count: int) -> tuple[float, ...] | None:
    """A list of ``count`` finite numbers, or None if it is anything else."""
    if not isinstance(values, list) or len(values) != count:
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    try:
        found = tuple(map(float, values))
    except OverflowError:
        return None
    return found if all(map(math.isfinite, found)) else None


def mapping(value: object) -> Document:
    """The value if it is an object, an empty one if not."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[Any]:
    """The value if it is a list, an empty one if not."""
    return value if isinstance(value, list) else []


def kept(original: object) -> dict[str, object]:
    """The format's own metadata for ``attrs``, unless they are too long."""
    try:
        # Numbers that JSON does not have would make the whole description unreadable.
        text = json.dumps(original, allow_nan=False)
    except ValueError:
        return {}
    return {"original": original} if original and len(text) <= MAX_NOTED else {}

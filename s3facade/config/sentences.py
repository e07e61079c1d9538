"""What pydantic finds wrong, in the words of this project: the file, the line, the key, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from s3facade.config.document import Document, Path_

_SECRET = ("key", "secret", "session_token")
_WORDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list: lines that start with `-`, or [a, b]",
    "tuple_type": "must be a list: lines that start with `-`, or [a, b]",
    "dict_type": "must be a mapping: lines of `key: value`",
    "mapping_type": "must be a mapping: lines of `key: value`",
    "dataclass_type": "must be a mapping: lines of `key: value`",
    "model_type": "must be a mapping: lines of `key: value`",
    "model_attributes_type": "must be a mapping: lines of `key: value`",
}
_MISSING = ("missing", "missing_argument")
Known = Callable[[Path_], Sequence[str]]
"""Keys that may stand in the mapping at a validator's path."""


def sentences(document: Document, error: ValidationError, known: Known, below: Path_ = ()) -> Iterator[str]:
    """One line per thing that is wrong.

    Args:
        document: Names lines.
        error: What pydantic found.
        known: Names of keys that exist, for hints.
        below: Where the value that was validated stands in the document.
    """
    for item in error.errors(include_url=False):
        yield _sentence(document, dict(item), known, below)


def _sentence(document: Document, error: Mapping[str, Any], known: Known, below: Path_) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    at = _written(document, error["loc"], below, missing=kind in _MISSING)
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        names = known(error["loc"][:-1])
        near = difflib.get_close_matches(str(at[-1]), names, 1)
        hint = f"; did you mean `{near[0]}`?" if near else f"; use {', '.join(names)}" if names else "; remove it"
        return f"{document.where(at)}: is not a known key{hint}"
    if kind in _MISSING:
        return f"{document.where(at)}: is missing; add it"
    if kind == "value_error":
        return f"{document.where(at)}: {context['error']}"
    if kind.startswith("union_tag"):
        return f"{document.where((*at, 'type'))}: {_tag(context)}"
    words = _WORDS.get(kind) or _plain(error["msg"])
    shown = isinstance(value, str | int | float) and len(str(value)) < 60 and not set(_SECRET) & set(at)
    return f"{document.where(at)}: {words}{f', not {value!r}' if shown else ''}"


def _plain(message: str) -> str:
    """Pydantic's own sentence, as far as it may be read by who knows nothing of it."""
    if message.endswith(("at least 1 item after validation, not 0", "at least 1 character")):
        return "must not be empty"
    if message.startswith("Input should be"):
        return "must be" + message.removeprefix("Input should be")
    return message[:1].lower() + message[1:]


def _tag(context: Mapping[str, Any]) -> str:
    """On a mapping whose ``type`` is none of those that there are, or missing."""
    names = [name.strip(" '") for name in str(context.get("expected_tags", "")).split(",") if name]
    tag = str(context.get("tag", ""))
    if not tag:
        return "is missing; add it, as in `type: ome-zarr`"
    near = difflib.get_close_matches(tag, names, 1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"must be one of {', '.join(sorted(names))}, not {tag!r}{hint}"


def _written(document: Document, loc: Path_, below: Path_, *, missing: bool) -> Path_:
    """The key path as the user wrote it: without the tags that the validator puts between.

    What is missing stands in no line: its name is the last of ``loc``.
    """
    at = below
    for i, part in enumerate(loc):
        if (*at, part) in document.lines or (missing and i == len(loc) - 1):
            at = (*at, part)
    return at

"""Why a file does not match a pattern, and in which ways it does: for whoever wrote the pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence

from s3facade.config.kinds import Part
from s3facade.config.pattern import Captured, Pattern, compiled

_SHOWN = 60
"""Characters of a path that a sentence repeats."""


def explain(pattern: Pattern, relative: str) -> str:
    """At which part of ``pattern`` a path that does not match it fails; empty for one that matches.

    One sentence without a full stop, as in ``fits '{animal}_sec' as far as 'm12_sec', then has 'x7.tif' where the
    pattern has '{section:int}'``.

    Args:
        pattern: Of a source.
        relative: Path relative to the pattern's ``root``, with ``/`` between components.
    """
    if pattern.match(relative) is not None:
        return ""
    parts = pattern.parts
    count, end = _longest(parts, relative)
    hint = _hint(pattern, relative)
    if count == len(parts):
        return (
            f"fits the whole pattern as far as {_end(relative[:end])!r}, then goes on with {_start(relative[end:])!r}"
        )
    wanted, rest = parts[count], relative[end:]
    if not rest and count and parts[count - 1].stretches:
        # A wildcard took all that was left; what it should have stopped at is not there.
        count, end = count - 1, _before(parts[:count], relative)
        told = f"{_start(relative[end:])!r} has no {wanted.text!r} behind {parts[count].text!r}"
    elif not rest:
        told = f"ends where the pattern has {wanted.text!r}"
    else:
        told = f"has {_start(rest)!r} where the pattern has {wanted.text!r}"
        if rest.startswith(".") and wanted.start and wanted.kind != "text":
            told += ", which leaves out names that start with a dot"
    if not end:
        return told + hint
    fits = "".join(part.text for part in parts[:count])
    return f"fits {fits!r} as far as {_end(relative[:end])!r}, then {told}{hint}"


def readings(pattern: Pattern, relative: str) -> list[dict[str, Captured]]:
    """The ways in which a path matches, by their captures: none, one, or the two furthest apart of several.

    The first one is what `Pattern.match` gives.
    """
    first = pattern.match(relative)
    if first is None:
        return []
    found = None if pattern.lazy is None else pattern.lazy.fullmatch(relative)
    if found is None or not pattern.ambiguous(relative):
        return [first]
    return [first, pattern.values(found)]


def told(captures: dict[str, Captured]) -> str:
    """Captures as text: ``animal=m_13, stain=Nissl``."""
    return ", ".join(f"{name}={value}" for name, value in captures.items())


def _longest(parts: Sequence[Part], relative: str) -> tuple[int, int]:
    """Number of parts at the beginning of a pattern that a path can start with, and characters that they take of it."""
    for count in range(_reached(parts, relative), 0, -1):
        found = compiled(parts[:count]).match(relative)
        if found is not None:
            return count, found.end()
    return 0, 0


def _reached(parts: Sequence[Part], relative: str) -> int:
    """Number of parts at the beginning of a pattern whose fixed texts a path has, one behind the other.

    Without one of them nothing matches, and expressions may take for ever to find that out.
    """
    end = 0
    for number, part in enumerate(parts):
        if part.kind == "text":
            at = relative.find(part.text, end)
            if at < 0:
                return number
            end = at + len(part.text)
    return len(parts)


def _before(parts: Sequence[Part], relative: str) -> int:
    """Where the last of these parts begins."""
    found = compiled(parts[:-1], lazy=True).match(relative) if len(parts) > 1 else None
    return found.end() if found else 0


def _hint(pattern: Pattern, relative: str) -> str:
    if not relative.lower().endswith(pattern.tail.lower()):
        return ""
    same = re.compile(pattern.regex.pattern, pattern.regex.flags | re.IGNORECASE).fullmatch(relative)
    return "; only upper and lower case differ" if same else ""


def _start(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _end(text: str) -> str:
    return text if len(text) <= _SHOWN else "…" + text[1 - _SHOWN :]

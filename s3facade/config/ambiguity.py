"""Whether a pattern may read one path in two ways, told from the pattern alone: few need to be asked for each file."""

from __future__ import annotations

from collections.abc import Sequence

from s3facade.config.kinds import LOOSE, TYPES, Part


def unsure(parts: Sequence[Part]) -> bool:
    """Whether some path may match in two ways; False only where no path can.

    A part that stretches ends where the text behind it begins, if it cannot hold the first character of that text
    itself; read from the right, it begins where the text in front of it ends. What is left between is sure if it is
    one part.
    """
    if any(p.kind == "regex" and p.holds("/") for p in parts) or sum(p.kind in ("folders", "below") for p in parts) > 1:
        return _unsure(parts)
    component: list[Part] = []
    for part in parts:
        if part.kind in ("slash", "folders"):
            if _unsure(component):
                return True
            component = []
        elif part.kind != "below":
            component.append(part)
    return _unsure(component)


def _unsure(parts: Sequence[Part]) -> bool:
    left, right = 0, len(parts)
    while left < right and _ends(parts, left):
        left += 1
    while left < right and _begins(parts, right - 1):
        right -= 1
    return sum(part.stretches for part in parts[left:right]) > 1


def _ends(parts: Sequence[Part], i: int) -> bool:
    """Whether it is sure where a part ends, once it is known where it begins."""
    if not parts[i].stretches:
        return True
    behind = parts[i + 1] if i + 1 < len(parts) else None
    if behind is not None and behind.kind in LOOSE and _bounded(parts[i]):
        return True
    return behind is not None and behind.kind in ("text", "slash") and not parts[i].holds(behind.text[0])


def _begins(parts: Sequence[Part], i: int) -> bool:
    """Whether it is sure where a part begins, once it is known where it ends."""
    if not parts[i].stretches:
        return True
    before = parts[i - 1] if i > 0 else None
    if before is not None and before.kind in LOOSE and _bounded(parts[i]):
        return True
    return before is not None and before.kind in ("text", "slash") and not parts[i].holds(before.text[-1])


def _bounded(part: Part) -> bool:
    """Whether it takes all that is of its type from a wildcard beside it."""
    return part.kind == "typed" and bool(TYPES[part.inside].beside)

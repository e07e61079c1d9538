"""Text for terminals: names of files may hold what would move the cursor, hide lines or change their order."""

from __future__ import annotations

import unicodedata

_ODD = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Kinds of characters that are not seen themselves."""
_JOINERS = frozenset("\u200c\u200d")
"""Invisible ones that writing, and pictures of faces, need."""


def plain(line: str) -> str:
    """One line with such characters written out, as Python writes them."""
    if line.isprintable():
        return line
    return "".join(c if c in _JOINERS or unicodedata.category(c) not in _ODD else ascii(c)[1:-1] for c in line)

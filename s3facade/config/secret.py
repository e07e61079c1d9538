"""Secrets that lie in files of their own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

SHORTEST = 8


def read(path: Path) -> str:
    """The text of a file without blanks around it.

    Raises:
        ValueError: It cannot be read, others than its owner may, or it is too short; says what to do.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(65536).strip()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} can be read by others than its owner; run: chmod 600 {path}")
    if len(text) < SHORTEST:
        raise ValueError(f"{path} holds no secret of at least {SHORTEST} characters")
    return text

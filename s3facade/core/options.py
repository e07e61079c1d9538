"""Types of options that transforms take from the configuration, for fields of their dataclasses.

A field of one of these types is written by the user with its unit, or as a path, and arrives as what the transform
computes with: what reads the configuration looks for these marks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from s3facade.core import units


@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks a type whose written form a function turns into its value."""

    parse: Callable[[Any], Any]
    schema: Any
    """JSON schema of the written form."""


@dataclass(frozen=True, slots=True)
class ImageOption:
    """Marks the name of another source or image, whose voxels a combination takes as one more parent."""


@dataclass(frozen=True, slots=True)
class FileOption:
    """Marks the path of a parameter file: relative to the configuration file, with captures as in ``s{section}.txt``.

    The transform gets it absolute, and reads the file once.
    """


def _length(value: Any) -> Any:
    return value if isinstance(value, int | float) else units.length(value)


def _position(value: Any) -> Any:
    return value if isinstance(value, int | float) else units.position(value)


Length: TypeAlias = Annotated[float, Parsed(_length, {"type": "string", "examples": ["0.5 um"]})]
"""Micrometres, greater than zero; written with a unit."""
Position: TypeAlias = Annotated[float, Parsed(_position, {"type": "string", "examples": ["12.5 um"]})]
"""Micrometres, of either sign; written with a unit."""
OtherImage: TypeAlias = Annotated[str, ImageOption()]
"""The name of another source or image."""
ParameterFile: TypeAlias = Annotated[str, FileOption()]
"""The path of a file that parameters are read from."""

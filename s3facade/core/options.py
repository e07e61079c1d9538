"""Types of options that transforms take from the configuration, for fields of their dataclasses.

A field of one of these types is written by the user with its unit, or as a path, and arrives as what the transform
computes with. What reads the configuration asks the marks here for their part of its schema, wherever they stand in
a field's type (``Mapping[str, Length]``, ``tuple[Length, ...] | None``, fields of nested dataclasses): plain
dictionaries in pydantic's language, which need no pydantic here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from s3facade.core import units


@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks a type whose written form a function turns into its value."""

    parse: Callable[[Any], Any]
    schema: Any = field(hash=False)
    """JSON schema of the written form."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        """The type behind the mark, after ``parse``."""
        function = {"type": "no-info", "function": self.parse}
        return {"type": "function-before", "function": function, "schema": handler(source)}

    def __get_pydantic_json_schema__(self, _: Any, __: Any) -> Any:
        """The written form; a copy, since pydantic writes defaults into it."""
        return copy.deepcopy(self.schema)


@dataclass(frozen=True, slots=True)
class ImageOption:
    """Marks the name of another source or image, whose voxels a combination takes as one more parent."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        """Text; what the context's ``image`` makes of it."""
        return _in_context("image", handler(source))


@dataclass(frozen=True, slots=True)
class FileOption:
    """Marks the path of a parameter file: relative to the configuration file, with captures as in ``s{section}.txt``.

    The transform gets it absolute, and reads the file once.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        """Text; what the context's ``file`` makes of it."""
        return _in_context("file", handler(source))


def _in_context(what: str, schema: Any) -> dict[str, Any]:
    def told(value: str, info: Any) -> str:
        context = info.context or {}
        return context[what](value) if what in context else value

    return {"type": "function-after", "function": {"type": "with-info", "function": told}, "schema": schema}


Length: TypeAlias = Annotated[float, Parsed(units.length, {"type": "string", "examples": ["0.5 um"]})]
"""Micrometres, greater than zero; written with a unit."""
Position: TypeAlias = Annotated[float, Parsed(units.position, {"type": "string", "examples": ["12.5 um"]})]
"""Micrometres, of either sign; written with a unit."""
OtherImage: TypeAlias = Annotated[str, ImageOption()]
"""The name of another source or image."""
ParameterFile: TypeAlias = Annotated[str, FileOption()]
"""The path of a file that parameters are read from."""

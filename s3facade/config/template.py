"""Key templates: ``{animal}/s{section:03}.ome.zarr`` with values that patterns captured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from s3facade.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Template:
    """A checked key template."""

    text: str
    """As written: no leading or final slash."""
    names: tuple[str, ...]
    """Captures that it uses, in order of appearance."""

    def fill(self, captures: Mapping[str, object]) -> str:
        """The key prefix for these values.

        Raises:
            ConfigError: A value does not fit the format behind its colon.
        """
        try:
            return self.text.format_map(captures)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"the path {self.text!r} cannot be filled in: {error}") from None


def compile_template(text: str, *, path: bool = False) -> Template:
    """Check ``text``: a key prefix, or the ``path`` of a file.

    Raises:
        ConfigError: It could leave the bucket's key space, or reaches into a value.
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"the path {text!r} is not a template: {error}; write {{name}}") from None
    names = []
    for _literal, name, spec, conversion in parts:
        if name is None:
            continue
        if not name.isidentifier() or conversion or "{" in (spec or ""):
            raise ConfigError(f"the path {text!r} may hold {{name}} or {{number:03}}, nothing more")
        names.append(name)
    components = text.split("/")
    if not path and text and ("" in components or "." in components or ".." in components):
        raise ConfigError(f"the path {text!r} has an empty, `.` or `..` component; write keys as in {{name}}.ome.zarr")
    return Template(text, tuple(dict.fromkeys(names)))

"""tiamat's pipelines, JSON, as steps: https://github.com/FZJ-INM1-BDA/tiamat.

What has no counterpart here is refused by its name; nothing is left out silently. What differs is told in
``docs/reference/tiamat.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from s3facade.config.tiamat_steps import NoCounterpart, State, Steps, entry, stated, step
from s3facade.core.errors import ConfigError

_LISTS = ("transformers", "image_transformers", "access_transformers")
_FILES = frozenset(
    {"GenericReader", "BigTiffReader", "BigTIFFReader", "NiftiReader", "HDF5Reader", "H5PyramidReader", "ZarrReader"}
)
"""Readers of files: which one is needed is found out from the file."""
_HARMLESS = frozenset({"file_path", "cache_image", "request_margin"})


@dataclass(slots=True)
class Translated:
    """One pipeline."""

    steps: list[tuple[str, object]] = field(default_factory=list)
    each: list[tuple[str, object]] = field(default_factory=list)
    """Steps of each section before they are stacked."""
    stack: dict[str, object] | None = None
    """Options of `stack`, if the pipeline reads a stack of files."""
    masks: dict[str, Path] = field(default_factory=dict)
    """Files of masks, by the names that steps call them."""


def read_pipeline(path: Path, name: str) -> Translated:
    """The steps of a file.

    Args:
        path: JSON.
        name: Of the image: names of its masks begin with it.

    Raises:
        ConfigError: Not a pipeline, or parts that have no counterpart: a line for each.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path.name} is not JSON: {error}") from None
    translator = _Translator(path.parent, name)
    translator.pipeline(document, translator.out.steps, "")
    if translator.problems:
        raise ConfigError("\n".join(f"{path.name}: {problem}" for problem in translator.problems))
    return translator.out


class _Translator:
    def __init__(self, base: Path, name: str) -> None:
        self.out = Translated()
        self.problems: list[str] = []
        self._state = State(base, name, masks=self.out.masks)

    def pipeline(self, document: object, steps: list[tuple[str, object]], at: str) -> None:
        """Adds the steps of one pipeline."""
        if not isinstance(document, Mapping):
            self.problems.append(f"{at or 'the file'} is no pipeline: it must be an object")
            return
        self._reader(document.get("reader"), steps, f"{at}reader")
        for key in [k for k in document if k not in {"reader", *_LISTS}]:
            self._try(f"{at}{key}", partial(stated, self._state, key, document[key]), steps)
        # As tiamat orders them: what changes requests acts on images last, and backwards.
        for key in _LISTS:
            items = list(enumerate(document.get(key) or []))
            for number, item in reversed(items) if key == "access_transformers" else items:
                self._try(f"{at}{key}[{number}]", partial(step, self._state, item), steps)

    def _try(self, at: str, translate: Callable[[], Steps], steps: list[tuple[str, object]]) -> None:
        try:
            steps.extend(translate())
        except NoCounterpart as error:
            self.problems.append(f"{at}: {error}")
        except (KeyError, TypeError, ValueError) as error:
            self.problems.append(f"{at}: its options cannot be read: {error!r}")

    def _reader(self, given: object, steps: list[tuple[str, object]], at: str) -> None:
        if given is None:
            return
        try:
            kind, options = entry(given)
        except NoCounterpart as error:
            self.problems.append(f"{at}: {error}")
            return
        if kind == "PipelineReader":
            self.pipeline(options.get("pipeline"), steps, f"{at}.pipeline.")
        elif kind == "ImageStackReader":
            self._try(at, partial(self._stack, options, at), steps)
        elif kind in _FILES:
            self._try(at, partial(self._file, kind, options), steps)
        else:
            self.problems.append(f"{at}: the reader {kind} has no counterpart")

    def _file(self, kind: str, options: Mapping[str, Any]) -> Steps:
        for key, value in options.items():
            if key == "image_spacing":
                yield from stated(self._state, "spacing", value)
            elif key not in _HARMLESS:
                raise NoCounterpart(f"the option {key} of {kind} has no counterpart")

    def _stack(self, options: Mapping[str, Any], at: str) -> Steps:
        if self.out.stack is not None or at != "reader":
            raise NoCounterpart("a stack inside of a pipeline has no counterpart")
        known = {"reader_factory", "slice_spacing", "reader_identifier", "stack_dimension"}
        known |= {"missing_section_interpolation", "missing_section_fill_value"}
        if unknown := sorted(options.keys() - known):
            raise NoCounterpart(f"the option {unknown[0]} of ImageStackReader has no counterpart")
        factory = options.get("reader_factory")
        if isinstance(factory, Sequence) or (isinstance(factory, Mapping) and "class" not in factory):
            raise NoCounterpart("ImageStackReader with a pipeline for each section has no counterpart")
        if str(options.get("stack_dimension", "z")).lower() != "z":
            raise NoCounterpart("ImageStackReader along another axis than z has no counterpart")
        self._reader(factory, self.out.each, f"{at}.reader_factory")
        missing = options.get("missing_section_interpolation")
        stack: dict[str, object] = {"along": "z"}
        if options.get("slice_spacing") is not None:
            stack["spacing"] = f"{float(options['slice_spacing'])!r} um"
        if missing is None:
            stack["index"] = []
        else:
            stack["missing"] = str(missing).lower()
            stack["value"] = options.get("missing_section_fill_value", 0)
        self.out.stack = stack
        yield from ()

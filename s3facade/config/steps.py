"""From a step as it is written to the transform or combination that it names.

A step's value is a mapping of the fields of the class that is registered under its name, or anything else: then it
is the value of the first field. pydantic gives the values the types that the fields have.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from s3facade import registry
from s3facade.config.document import Document, Path_
from s3facade.config.pattern import absolute
from s3facade.config.scalars import free
from s3facade.config.sentences import sentences
from s3facade.config.settings import StepConfig
from s3facade.config.template import compile_template
from s3facade.core.errors import ConfigError, SourceError, Unsupported


class _Image(str):
    """The name of another image among validated values."""

    __slots__ = ()


class _File(str):
    """The path of a parameter file among validated values, captures not filled in yet."""

    __slots__ = ()


_MARKS = {"image": _Image, "file": _File}


def read_step(name: str, value: object, document: Document, at: Path_) -> StepConfig:
    """One step, checked as far as that can be done without any image.

    Args:
        name: What the step is called: a registered name.
        value: What is written behind the colon.
        document: The configuration file: names lines, and its folder is where relative paths start.
        at: Where the step stands in it.

    Raises:
        ConfigError: Everything that is wrong, a line each.
    """
    try:
        kind = registry.transform(name)
    except SourceError as error:
        raise ConfigError(f"{document.where(at)}: {error.public}") from None
    options = value if isinstance(value, Mapping) else {} if value is None else {_first(kind): value}
    try:
        found = _validated(kind, options, _MARKS)
        marked = list(_leaves(found))
        templates = [compile_template(leaf, path=True) for leaf in marked if isinstance(leaf, _File)]
    except ValidationError as error:
        lines = sentences(document, error, lambda loc: _keys(kind, loc), at)
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None
    except ConfigError as error:
        raise ConfigError(f"{document.where(at)}: {error}") from None
    others = tuple(str(leaf) for leaf in marked if isinstance(leaf, _Image))
    used = frozenset(name for template in templates for name in template.names)
    combines = hasattr(kind, "needs")
    if others and not combines and not hasattr(kind, "build"):
        raise ConfigError(f"{document.where(at)}: takes another image, but is registered as a transform of one")
    step = StepConfig(
        name, options, document.where(at), document.path.parent, None, others, used, combines, tuple(templates)
    )
    if templates:
        return step
    try:
        return dataclasses.replace(step, operator=make(step, {}))
    except SourceError as error:
        raise ConfigError(f"{step.where}: {error.explain()}") from None


def make(step: StepConfig, captures: Mapping[str, object]) -> Any:
    """The transform or combination of a step.

    Args:
        step: As `read_step` gives it.
        captures: Values for the paths of parameter files.

    Raises:
        SourceError: A parameter file cannot be read or used.
        Unsupported: The options do not go together.
    """
    if step.operator is not None:
        return step.operator
    kind = registry.transform(step.name)

    def placed(text: str) -> str:
        return str(absolute(compile_template(text, path=True).fill(captures), step.base))

    try:
        return kind(**_validated(kind, step.value, {"image": str, "file": placed}))
    except (ValueError, TypeError) as error:
        raise Unsupported(f"The step {step.name!r} cannot be made: {error}") from error


def parameter_files(step: StepConfig, captures: Mapping[str, object]) -> list[str]:
    """Absolute paths of the parameter files of a step."""
    if step.operator is not None:
        return []
    return [str(absolute(template.fill(captures), step.base)) for template in step.files]


@cache
def fields(kind: type) -> type[BaseModel]:
    """A model of the fields of a dataclass: checks them without making an instance, which may read files."""
    hints = get_type_hints(kind, include_extras=True)
    told = _docstrings(kind)
    made: dict[str, Any] = {
        f.name: (hints[f.name], _default(f, told.get(f.name))) for f in dataclasses.fields(kind) if f.init
    }
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    doc = (inspect.getdoc(kind) or "").partition("\n")[0]
    return create_model(kind.__name__, __config__=config, __doc__=doc or None, **made)


def _default(field: dataclasses.Field[Any], told: str | None) -> FieldInfo:
    if field.default is not dataclasses.MISSING:
        info = Field(default=field.default, description=told)
    elif field.default_factory is not dataclasses.MISSING:
        info = Field(default_factory=field.default_factory, description=told)
    else:
        info = Field(description=told)
    return info  # type: ignore[no-any-return]


def _docstrings(kind: type) -> dict[str, str]:
    """What stands below the fields of a class, by field."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, SyntaxError):
        return {}
    body = next((n.body for n in tree.body if isinstance(n, ast.ClassDef)), [])
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _first(kind: type) -> str:
    """The field that a value without a mapping goes to."""
    names = list(fields(kind).model_fields)
    return names[0] if names else "value"


def _validated(kind: type, options: Mapping[str, object], context: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are given, typed. Raises ValidationError."""
    model = fields(kind)
    typed = free(options)
    try:
        found = model.model_validate(typed, context=dict(context))
    except ValidationError as error:
        if not _restore(typed, options, error):
            raise
        found = model.model_validate(typed, context=dict(context))
    return {name: getattr(found, name) for name in model.model_fields if name in found.model_fields_set}


def _restore(typed: Any, written: Any, error: ValidationError) -> bool:
    """Puts back what was written where a number or truth value stands for text: ``name: 10``."""
    done = False
    for item in error.errors(include_url=False, include_context=False):
        if item["type"] != "string_type":
            continue
        inner, outer, key = typed, written, None
        for part in item["loc"]:
            here = inner if key is None else inner[key]
            there = outer if key is None else outer[key]
            if (isinstance(here, dict) and part in here) or (isinstance(here, list) and isinstance(part, int)):
                inner, outer, key = here, there, part
        if key is not None and isinstance(outer[key], str):
            inner[key] = str(outer[key])
            done = True
    return done


def _leaves(value: Any) -> Iterator[Any]:
    """Every plain value inside, in order."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from _leaves(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name))
    else:
        yield value


def _keys(kind: type, loc: Path_) -> Sequence[str]:
    """Keys of the mapping at ``loc`` inside a step."""
    names, kinds = list(fields(kind).model_fields), [kind]
    for part in loc:
        hints = [get_type_hints(k, include_extras=True).get(str(part)) for k in kinds]
        inner = [k for hint in hints for k in _dataclasses(hint)]
        if inner:
            kinds = inner
            names = [f.name for k in kinds for f in dataclasses.fields(k)]
    return names


def _dataclasses(hint: Any) -> Iterator[Any]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for argument in get_args(hint):
        yield from _dataclasses(argument)


class StepSchema:
    """Marks a list item that is one step: its JSON schema has every registered transform with its fields."""

    def __get_pydantic_json_schema__(self, _: Any, handler: Any) -> dict[str, Any]:
        """Asked for only when the schema is written: loading all transforms takes time."""
        properties = {}
        bare = []
        for name in registry.names("transforms"):
            try:
                kind = registry.transform(name)
            except SourceError:
                continue  # a package that does not load is named by `s3facade formats`
            forms = [handler(fields(kind).__pydantic_core_schema__)]
            if first := next(iter(fields(kind).model_fields), None):
                hint = get_type_hints(kind, include_extras=True)[first]
                # In a union of one: the handler asks marks of what is inside a schema, not those of the schema itself.
                forms.append(handler({"type": "union", "choices": [TypeAdapter(hint).core_schema]}))
            if not any(f.is_required() for f in fields(kind).model_fields.values()):
                forms.append({"type": "null"})
                bare.append(name)
            properties[name] = {"anyOf": forms}
        one = {"type": "object", "properties": properties, "additionalProperties": False}
        schema: dict[str, Any] = {**one, "minProperties": 1, "maxProperties": 1}
        return {"anyOf": [schema, {"enum": bare}]} if bare else schema


def split(value: object) -> tuple[str, object]:
    """The name and the value of one item of ``steps``. Raises ValueError."""
    if isinstance(value, str):
        return str(value), None
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("must be a mapping of one key, the name of a transform: `- gamma: 0.5`")
    name, options = next(iter(value.items()))
    return str(name), options

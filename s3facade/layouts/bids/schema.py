"""The BIDS schema as tables: entities in order, which names each kind of file may have, and what its fields hold.

Read from bidsschematools (an extra of the package), once. Everything is keyed by the entities' short names (``sub``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from s3facade.core.errors import ConfigError

BIDS_VERSION = "1.11.1"
"""Of the standard that datasets state. Not the schema's own: another release of it must not change any byte."""
DERIVATIVE = "DatasetType == 'derivative'"


@dataclass(frozen=True, slots=True)
class Entity:
    """A part ``name-value`` of file names."""

    name: str
    """As names spell it: ``sub``."""
    index: bool
    """Whether values are whole numbers; else they are labels."""
    values: tuple[str, ...] = ()
    """The only values it may have; empty: any."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of file."""

    datatypes: frozenset[str]
    suffixes: frozenset[str]
    extensions: tuple[str, ...]
    """Each with its dot; those of folders end in ``/``."""
    entities: Mapping[str, tuple[str, ...]]
    """Those it may have, and the only values that they have here, if that is so."""
    required: frozenset[str]
    derivative: bool
    """Whether only derivative datasets may have it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What the standard says, as far as it is asked here."""

    version: str
    """Of the standard that it describes."""
    entities: Mapping[str, Entity]
    """By short name, in the order in which names have them."""
    long: Mapping[str, str]
    """Short names by long ones."""
    rules: tuple[Rule, ...]
    modalities: Mapping[str, str]
    """Of each datatype."""
    spaces: frozenset[str]
    """Labels of ``space`` that need no `SpatialReference`."""
    fields: Mapping[str, Mapping[str, Any]]
    """JSON schema of each field of sidecars."""
    columns: Mapping[str, Mapping[str, Any]]
    """What is known of columns of tables; the same name may stand there with ``__`` and the kind of table behind it."""

    formats: Mapping[str, str]
    """Regular expressions of formats by name."""

    def column(self, name: str) -> Mapping[str, Any]:
        """What is known of a column; empty if the standard does not know it."""
        found = (about for key, about in self.columns.items() if key == name or key.startswith(f"{name}__"))
        return next(found, {})

    @property
    def suffixes(self) -> frozenset[str]:
        """All of them."""
        return frozenset().union(*(rule.suffixes for rule in self.rules))


@cache
def schema() -> Schema:
    """The schema that is installed.

    Raises:
        ConfigError: bidsschematools is not installed.
    """
    try:
        from bidsschematools.schema import load_schema
    except ImportError:
        raise ConfigError("views of type `bids` need bidsschematools; pip install 's3facade[bids]'") from None
    return _compiled(load_schema().to_dict())


def _compiled(tree: Mapping[str, Any]) -> Schema:
    objects, rules = tree["objects"], tree["rules"]
    about = objects["entities"]
    short = {name: about[name]["name"] for name in rules["entities"]}
    entities = {
        short[name]: Entity(short[name], about[name].get("format") == "index", tuple(about[name].get("enum", ())))
        for name in rules["entities"]
    }
    files = rules["files"]
    found = [
        _rule(rule, short)
        for group in (files["raw"], files["deriv"])
        for kind in group.values()
        for rule in kind.values()
        if "suffixes" in rule and "datatypes" in rule
    ]
    modalities = {d: name for name, of in rules["modalities"].items() for d in of["datatypes"]}
    return Schema(
        tree["bids_version"],
        entities,
        {name: short[name] for name in short},
        tuple(found),
        modalities,
        frozenset(objects["enums"]["_StandardTemplateCoordSys"]["enum"]),
        objects["metadata"],
        objects["columns"],
        {name: about["pattern"] for name, about in objects["formats"].items() if "pattern" in about},
    )


def _rule(rule: Mapping[str, Any], short: Mapping[str, str]) -> Rule:
    entities = rule["entities"]
    return Rule(
        frozenset(rule["datatypes"]),
        frozenset(rule["suffixes"]),
        tuple(rule["extensions"]),
        {short[n]: tuple(level.get("enum", ())) if isinstance(level, Mapping) else () for n, level in entities.items()},
        frozenset(short[n] for n, level in entities.items() if _level(level) == "required"),
        any(DERIVATIVE in selector for selector in rule.get("selectors", ())),
    )


def _level(level: str | Mapping[str, Any]) -> str:
    return level if isinstance(level, str) else str(level["level"])

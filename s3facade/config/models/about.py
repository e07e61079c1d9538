"""What no file says about images: said once for a source, a view or a whole bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from s3facade.config.document import Path_
from s3facade.config.models.base import Model, Names, Resolving
from s3facade.config.scalars import free
from s3facade.config.template import compile_template
from s3facade.config.views.about import constant
from s3facade.core.errors import ConfigError
from s3facade.layouts.ro_crate.about import GROUPS, merged, settled


def _group(value: object) -> object:
    return free(value) if isinstance(value, Mapping) else str(value)


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _either(**properties: Any) -> WithJsonSchema:
    """For editors: a name alone, or a mapping with it."""
    text = {"type": "string", "minLength": 1}
    shape = {"type": "object", "properties": {"name": text, **properties}, "required": ["name"]}
    return WithJsonSchema({"anyOf": [text, {**shape, "additionalProperties": False}]})


_GROUP = {"anyOf": [{"type": "string"}, {"type": "object"}]}
Group = Annotated[Any, BeforeValidator(_group), WithJsonSchema(_GROUP)]
Text = Annotated[str, Field(min_length=1)]


class OrganizationModel(Model):
    """An institution."""

    name: Text
    """Its name."""
    url: Text | None = None
    """Its address, best that of its ROR."""


_PLACE = _either(url={"type": "string"})
Organization = Annotated[OrganizationModel, BeforeValidator(_named), _PLACE]


class AuthorModel(Model):
    """A person."""

    name: Text
    """As it is cited: `Doe, Jane`."""
    orcid: Text | None = None
    """`0000-0002-1825-0097`."""
    affiliation: Organization | None = None
    """Institution: its name, or a mapping of `name` and `url`."""


_PERSON = _either(orcid={"type": "string"}, affiliation=_PLACE.json_schema)
Author = Annotated[AuthorModel, BeforeValidator(_named), _PERSON]


class AboutModel(Model):
    """What no file says about the images; captures and columns may be used in every text."""

    name: Text | None = None
    """Name of each image, as in `Brain {animal}`; default: the image's own."""
    description: Text | None = None
    """What it shows."""
    license: Text | None = None
    """SPDX id (`CC-BY-4.0`, `CC0-1.0`) or address of the licence; only images that have one get an RO-Crate."""
    organism: Text | None = None
    """NCBI taxon (`NCBI:txid10090`), or a common Latin name (`Mus musculus`)."""
    modality: Text | None = None
    """Imaging method: a term of FBbi (`obo:FBbi_00000369`), its label, or a suffix of BIDS (`SPIM`)."""
    authors: list[Author] = []
    """Who made the images: names, or mappings of `name`, `orcid` and `affiliation`."""
    publication: Names | None = None
    """DOI of the publication, or a list of them."""
    date_published: Text | None = None
    """Day of publication, `2024-05-31`; default: the day on which the newest original file was changed last."""
    keywords: Names | None = None
    """Words to find them by."""
    publisher: Organization | None = None
    """Institution that makes them available: its name, or a mapping of `name` and `url`."""
    origin: Text | None = None
    """Address of a page about the original data."""
    study: Group | None = None
    """REMBI: the study, a sentence or values by name, as all groups of REMBI; kept as given."""
    study_component: Group | None = None
    """REMBI: the part of the study."""
    biosample: Group | None = None
    """REMBI: what was taken from the organism."""
    specimen: Group | None = None
    """REMBI: how it was prepared for imaging."""
    image_acquisition: Group | None = None
    """REMBI: how it was imaged."""
    image_data: Group | None = None
    """REMBI: what was recorded."""
    image_correlation: Group | None = None
    """REMBI: how images of several methods were brought together."""
    analyzed_data: Group | None = None
    """REMBI: what was derived from the images."""

    def said(self) -> dict[str, Any]:
        """What was written, without what was not."""
        return {key: value for key, value in self.model_dump(exclude_none=True).items() if value not in ([], {}, "")}


def about_of(desk: Resolving, source: str, *layers: tuple[Path_, AboutModel | None]) -> Mapping[str, object]:
    """What is said of the images of ``source``: later ``layers`` override earlier ones.

    Args:
        desk: Told what is wrong: values without captures are checked now, others when the captures are known.
        source: Name of the source or image whose captures may be used.
        layers: Places in the file, and what stands there.

    Returns:
        Templates at the leaves of mappings and tuples.
    """
    found = []
    for at, model in layers:
        layer = {}
        for key, given in ({} if model is None else model.said()).items():
            value = {"description": given} if key in GROUPS and isinstance(given, str) else given
            template = _templates(desk, (*at, key), value, source)
            if (plain := constant(template)) is not None:
                _, wrong = settled({key: plain})
                for _, sentence in wrong:
                    desk.problem((*at, key), sentence)
            layer[key] = template
        found.append(layer)
    return merged(*found)


def _templates(desk: Resolving, at: Path_, value: object, source: str) -> object:
    if isinstance(value, str):
        try:
            return desk.filled(at, value, source)
        except ConfigError as error:
            desk.problem(at, error)
            return None
    if isinstance(value, Mapping):
        return {key: _templates(desk, (*at, key), item, source) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_templates(desk, (*at, i), item, source) for i, item in enumerate(value))
    return value


def whole(desk: Resolving, *layers: tuple[Path_, AboutModel | None]) -> dict[str, Any]:
    """What is said about a dataset as a whole; of all but the last layer, what has no captures and is no name."""
    found: list[dict[str, object]] = []
    for number, (at, model) in enumerate(layers):
        last, layer = number == len(layers) - 1, {}
        for key, given in ({} if model is None else model.said()).items():
            if not last and key in ("name", "description"):
                # Those are said of each image.
                continue
            value = {"description": given} if key in GROUPS and isinstance(given, str) else given
            try:
                plain = constant(_compiled(value))
            except ConfigError as error:
                if last:
                    desk.problem((*at, key), error)
                continue
            if plain is None:
                if last:
                    desk.problem((*at, key), "is said of many images at once, so it has no captures")
                continue
            known, wrong = settled({key: plain})
            for _, sentence in wrong if last else ():
                desk.problem((*at, key), sentence)
            layer.update(known)
        found.append(layer)
    return merged(*found)


def _compiled(value: object) -> object:
    """Templates at the leaves. Raises `ConfigError`."""
    if isinstance(value, str):
        return compile_template(value, path=True)
    if isinstance(value, dict):
        return {key: _compiled(item) for key, item in value.items()}
    return tuple(map(_compiled, value)) if isinstance(value, list | tuple) else value

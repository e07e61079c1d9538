"""Views that describe the other views of their bucket."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from s3facade.config.document import Path_
from s3facade.config.models.about import AboutModel, whole
from s3facade.config.models.base import Model, Resolving
from s3facade.config.template import compile_template
from s3facade.config.views.collection import CollectionView, CrateView
from s3facade.core.errors import ConfigError
from s3facade.layouts.collection import missing

_URL = re.compile(r"^https?://[^\s?#@]+$")
_FORMATS = {
    "anyOf": [
        {"enum": ["csv", "parquet"]},
        {"type": "array", "items": {"enum": ["csv", "parquet"]}, "minItems": 1},
    ]
}


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError("must be as in https://s3.example.org/bucket, without user, query or fragment")
    return value.rstrip("/")


def _plain(text: str) -> str:
    path = compile_template(text)
    if path.names:
        raise ConfigError("it describes many images, so its path has no captures; write a plain prefix")
    return path.text


class CrateModel(Model):
    """An RO-Crate about all that the bucket shows below a prefix: `ro-crate-metadata.json` there."""

    type: Literal["ro-crate"]
    """The kind of view."""
    path: str = ""
    """Prefix that it describes, and lies in; default: the whole bucket."""
    about: AboutModel = AboutModel()
    """What the whole is: `name` and `license` are needed; what is not said here the bucket may say."""

    def resolve(self, at: Path_, desk: Resolving) -> CrateView:
        """The view. Raises `ConfigError`."""
        about = whole(desk, desk.said, ((*at, "about"), self.about))
        for key in ("name", "license"):
            if key not in about and key not in self.about.said():
                desk.problem(at, f"an RO-Crate must have a {key}; add `{key}` under `about:`")
        return CrateView(_plain(self.path), about)


class CollectionModel(Model):
    """A table of all images, as CSV and Parquet, in the columns of the NGFF challenge and of BioFile Finder."""

    type: Literal["collection"]
    """The kind of view."""
    path: Annotated[str, Field(min_length=1)] = "images"
    """Key without extension: `images` gives `images.csv` and `images.parquet`."""
    formats: Annotated[
        list[Literal["csv", "parquet"]],
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
        Field(min_length=1),
        WithJsonSchema(_FORMATS),
    ] = ["csv", "parquet"]
    """Which of the two."""
    under: str = ""
    """Only images below this prefix."""
    url: Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string", "pattern": _URL.pattern})] | None = None
    """Address that the bucket is reached by; default: `server: public_url` and the bucket's name."""

    def resolve(self, at: Path_, desk: Resolving) -> CollectionView:
        """The view. Raises `ConfigError`."""
        base = self.url or (f"{desk.public_url}/{desk.bucket}" if desk.public_url else "")
        if not base:
            desk.problem(
                at,
                "a collection holds whole addresses, and the server does not know its own; add `public_url` under "
                "`server:`, or `url` to this view",
            )
        if "parquet" in self.formats and (lacking := missing()):
            desk.problem((*at, "formats"), lacking)
        return CollectionView(_plain(self.path), base, tuple(self.formats), self.under.strip("/"))

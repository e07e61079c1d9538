"""Images as a BIDS data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from s3facade.config.document import Path_, dotted
from s3facade.config.models.about import AboutModel
from s3facade.config.models.arc import ArcModel
from s3facade.config.models.base import Model, Names, Preview, Resolving
from s3facade.config.models.bids_existing import KEYS as EXISTING
from s3facade.config.models.bids_existing import Ending, Form, existing
from s3facade.config.models.bids_files import BidsFilesModel
from s3facade.config.models.bids_tables import KEYS, Columns, columns
from s3facade.config.template import compile_template, unknown_name
from s3facade.config.views.bids import BidsColumn, BidsView, derived
from s3facade.config.views.bids_existing import BidsExistingView
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids.schema import schema


class GeneratedByModel(Model):
    """Software, or people, that made the data set."""

    Name: str
    """Name."""
    Version: str = ""
    """Version."""
    Description: str = ""
    """What it did."""
    CodeURL: str = ""
    """Where its code is."""


class SourceDatasetModel(Model):
    """A data set that this one was made of."""

    URL: str = ""
    """Address."""
    DOI: str = ""
    """Digital object identifier."""
    Version: str = ""
    """Version."""


def _known(kind: str) -> str:
    """Names are judged by the schema of BIDS, which is an extra."""
    try:
        schema()
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return kind


class BidsViewModel(Model):
    """Images as a BIDS data set."""

    type: Annotated[Literal["bids"], AfterValidator(_known)]
    """The layout."""
    path: str = ""
    """Key prefix; empty: the root of the bucket. Derivatives of a raw data set lie at `derivatives/NAME`."""
    root: str | None = None
    """Folder of a data set that exists already, to be shown as it is, but for its images; instead of `name` and `files`
    and all that describes a data set."""
    as_: Annotated[Form, Field(alias="as")] = "ome.zarr"
    """With `root`: what its images are shown as, `ome.zarr` (default), `nii.gz` or `nii`."""
    convert: list[Ending] | None = None
    """With `root`: endings of the images that are, as in `[nii.gz]`; `[]`: none; default: all that BIDS has
    a name for."""
    recipe: bool = True
    """With `root`: whether `s3facade.json` in an OME-Zarr says what files it was made of and how."""
    name: str = ""
    """Name of the data set."""
    files: list[BidsFilesModel] = []
    """Which images become which files."""
    license: str = ""
    """Licence, as in `CC0` or `CC-BY-4.0`."""
    authors: Names | None = None
    """Who is to be cited."""
    acknowledgements: str = ""
    """Who helped."""
    how_to_acknowledge: str = ""
    """How the data set is to be cited."""
    funding: Names | None = None
    """Grants."""
    ethics: Names | None = None
    """Approvals of ethics committees."""
    references: Names | None = None
    """Publications about it."""
    keywords: Names | None = None
    """What it is about, in single words."""
    doi: str = ""
    """Its own digital object identifier, as in `doi:10.0000/xyz`."""
    readme: str = ""
    """Text of `README.md`; default: one is made that says no more than is known."""
    readme_file: str | None = None
    """A file to be shown as `README.md`."""
    changes: str = ""
    """Text of `CHANGES`."""
    changes_file: str | None = None
    """A file to be shown as `CHANGES`."""
    dataset_type: Literal["raw", "derivative"] | None = None
    """Default: `derivative` if steps have changed the images, else `raw`."""
    participants: Columns = {}
    """Columns of `participants.tsv` by name: text with captures and columns of tables, or `{value, description, units,
    levels}`."""
    samples: Columns = {}
    """Columns of `samples.tsv`; `sample_type` is needed where names have `sample`."""
    sessions: Columns = {}
    """Columns of the tables of sessions; without any there are none."""
    scans: Columns = {}
    """Columns of the tables of images (`scans.tsv`), as in `{acq_time: "{date}T{time}"}`; else there are none."""
    generated_by: list[GeneratedByModel] = []
    """What made the data set before s3facade did."""
    source_datasets: list[SourceDatasetModel] = []
    """What it was made of."""
    links: dict[str, str] = {}
    """Addresses of other data sets by name, for BIDS URIs such as `bids:name:sub-01/…`."""
    bidsignore: Names | None = None
    """Patterns of further keys that the validator shall not look at."""
    about: AboutModel | None = None
    """What no file says about the images; it comes before what sources and the bucket say."""
    also: list[Literal["ro-crate"]] = []
    """What else is made of the mapping."""
    arc: ArcModel | None = None
    """The data set as an assay of an ARC, at `assays/<assay>/dataset/`."""
    preview: Preview | None = None
    """As of the bucket, for this view alone."""

    @model_validator(mode="after")
    def _one_kind(self) -> BidsViewModel:
        given = self.model_fields_set
        if self.root is not None:
            wrong = sorted(name for name in given if name not in EXISTING)
            if wrong:
                raise ValueError(
                    f"has `root`, a data set that says this itself, and `{wrong[0]}`; leave out one of the two"
                )
            return self
        missing = next((name for name in ("name", "files") if not getattr(self, name)), None)
        if missing is not None:
            raise ValueError(f"needs `{missing}`; or `root`, the folder of a data set that exists already")
        wrong = sorted(name for name in ("as_", "convert", "recipe") if name in given)
        if wrong:
            name = wrong[0].rstrip("_")
            raise ValueError(f"has `{name}`, which goes with `root`; here it belongs to each of `files`")
        return self

    def resolve(self, at: Path_, desk: Resolving) -> BidsView | BidsExistingView:
        """The view. Raises `ConfigError`."""
        if self.root is not None:
            return existing(
                at,
                desk,
                root=self.root,
                path=self.path,
                form=self.as_,
                convert=self.convert,
                recipe=self.recipe,
                preview=self.preview or desk.preview,
            )
        if compile_template(self.path).names:
            raise ConfigError("a data set has one path, without captures; those belong into `entities`")
        derivative = None if self.dataset_type is None else self.dataset_type == "derivative"
        made = [f.resolve((*at, "files", i), desk, self.about, derivative=derivative) for i, f in enumerate(self.files)]
        files = tuple(found for found in made if found is not None)
        self._targets(at, desk)
        captures = self._captures(at, desk)
        tables = {name: columns((*at, name), desk, name, getattr(self, name), captures) for name in KEYS}
        self._types(at, desk, tables["samples"])
        return BidsView(
            self.path,
            self.name,
            files,
            self.license,
            tuple(self.authors or ()),
            self.acknowledgements,
            self.how_to_acknowledge,
            tuple(self.funding or ()),
            tuple(self.ethics or ()),
            tuple(self.references or ()),
            tuple(self.keywords or ()),
            self.doi,
            self._text(at, desk, "readme"),
            self._text(at, desk, "changes"),
            self.dataset_type,
            **tables,
            generated_by=tuple(_said(by) for by in self.generated_by),
            source_datasets=tuple(_said(source) for source in self.source_datasets),
            links=dict(self.links),
            bidsignore=tuple(self.bidsignore or ()),
            also=tuple(self.also),
            arc=None if self.arc is None else self.arc.resolve(self.name),
            preview=self.preview or desk.preview,
            where=dotted(at),
        )

    def _targets(self, at: Path_, desk: Resolving) -> None:
        here = [files.from_ for files in self.files]
        for i, files in enumerate(self.files):
            for target in files.intended_for or ():
                if target not in here:
                    place = (*at, "files", i, "intended_for")
                    desk.problem(place, unknown_name(target, "`from` in this view", here))

    def _captures(self, at: Path_, desk: Resolving) -> frozenset[str]:
        known = (desk.reference((*at, "files", i, "from"), files.from_) for i, files in enumerate(self.files))
        return frozenset().union(*(found for found in known if found is not None))

    def _types(self, at: Path_, desk: Resolving, samples: Sequence[BidsColumn]) -> None:
        """BIDS wants to know of every sample what it is."""
        having = [files for files in self.files if "sample" in files.entities]
        elsewhere = self.dataset_type == "derivative" or derived(self.path)
        if having and not any(column.name == "sample_type" for column in samples) and not elsewhere:
            kinds = ", ".join(schema().columns["sample_type"]["enum"])
            sentence = f"names have `sample`, so BIDS wants `samples: {{sample_type: …}}`, which is one of {kinds}"
            desk.problem((*at, "samples"), sentence)

    def _text(self, at: Path_, desk: Resolving, name: str) -> str | Path:
        text, file = getattr(self, name), getattr(self, f"{name}_file")
        if file is None:
            return str(text)
        if text:
            desk.problem((*at, f"{name}_file"), f"is given besides `{name}`; leave out one of the two")
        path = desk.absolute(file)
        if not path.is_file():
            desk.problem((*at, f"{name}_file"), f"there is no file {path} on this machine; write the text as `{name}`")
        return path


def _said(model: Model) -> dict[str, Any]:
    return {key: value for key, value in model.model_dump().items() if value}

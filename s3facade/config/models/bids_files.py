"""Images that become files of one kind in a BIDS data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from s3facade.codecs.compress import compressed
from s3facade.config.document import Path_, dotted
from s3facade.config.models.about import AboutModel
from s3facade.config.models.base import Chunks, Codec, Dtype, Model, Names, Resolving, Shards
from s3facade.config.scalars import free
from s3facade.config.template import Template, compile_template
from s3facade.config.views.about import constant
from s3facade.config.views.bids import BidsFiles
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids import values
from s3facade.layouts.bids.names import Labels, Refused
from s3facade.layouts.bids.rules import Shape, datatypes, home, ordered, refusal
from s3facade.layouts.bids.schema import schema

Format = Literal["ome.zarr", "ome.tif", "ome.btf", "tif", "png", "nii", "nii.gz", "jpg", "file"]
FORMATS: Mapping[str, tuple[str, str, Mapping[str, object]]] = {
    "ome.zarr": (".ome.zarr", "ome-zarr", {}),
    "ome.tif": (".ome.tif", "ome-tiff", {"bigtiff": False}),
    "ome.btf": (".ome.btf", "ome-tiff", {"bigtiff": True}),
    "tif": (".tif", "tif", {}),
    "png": (".png", "png", {}),
    "nii": (".nii", "nifti", {"gzip": False}),
    "nii.gz": (".nii.gz", "nifti", {"gzip": True}),
    "jpg": (".jpg", "", {}),
    "file": ("", "", {}),
}
"""Extension, layout and options of it; no layout: the original file's bytes."""
PHOTO = "photo"
MATRIX = "ChunkTransformationMatrix"
Fields = Annotated[dict[str, Any], BeforeValidator(free)]


class BidsFilesModel(Model):
    """Images that become files of one kind."""

    from_: Annotated[str, Field(alias="from")]
    """Name of a source or image."""
    suffix: Annotated[str, Field(min_length=1)]
    """What they are, as in `BF`, `SPIM` or `T1w`; a template where captures tell."""
    as_: Annotated[Format | None, Field(alias="as")] = None
    """`ome.zarr` (default), `ome.tif`, `ome.btf`, `tif`, `png`, `nii` or `nii.gz`; `file` shows the original files as
    they are, and is what photos are shown by; `jpg` does so where these are JPEG files."""
    datatype: str | None = None
    """Folder, as in `micr`; default: the one that BIDS has for such names."""
    entities: Annotated[dict[str, str], Field(min_length=1)]
    """What names are made of, as in `{sub: "{animal}", sample: "s{section:03}"}`."""
    sidecar: Fields = {}
    """Metadata by BIDS' names of fields; text may hold captures. What is left out is taken from the image, as far as it
    says it."""
    intended_for: Names | None = None
    """Sources or images of this view that these are for: those of the same subject, session and sample."""
    about: AboutModel | None = None
    """What no file says about these images; it comes before what the view says."""
    chunks: Chunks | None = None
    """As of `ome-zarr`."""
    shards: Shards | None = None
    """As of `ome-zarr`."""
    codec: Codec = None
    """As of `ome-zarr`."""
    dtype: Dtype | None = None
    """Cast to this type."""
    companions: bool = True
    """Whether files beside a NIfTI file belong to it, too: `.json` (fields of the sidecar that nothing else states),
    `.bval`, `.bvec`, `_events.tsv`."""
    recipe: bool = True
    """Whether `s3facade.json` in an OME-Zarr says what files it was made of and how."""

    @property
    def shown(self) -> str:
        """What they are shown as."""
        return self.as_ or ("file" if self.suffix == PHOTO else "ome.zarr")

    @model_validator(mode="after")
    def _fitting(self) -> BidsFilesModel:
        given = [n for n in ("chunks", "shards", "codec") if getattr(self, n) is not None]
        if given and self.shown != "ome.zarr":
            raise ValueError(f"has `{given[0]}`, which goes with `as: ome.zarr` only; remove it")
        if self.dtype is not None and FORMATS[self.shown][1] == "":
            raise ValueError("has `dtype`, and shows files as they are; remove it")
        if self.codec is not None and self.shards:
            raise ValueError(
                "has `shards` and a `codec`; chunks in a shard are not compressed, leave out one of the two"
            )
        return self

    def resolve(
        self, at: Path_, desk: Resolving, shared: AboutModel | None, *, derivative: bool | None
    ) -> BidsFiles | None:
        """The same, checked; None where that makes no sense, and problems were told.

        Args:
            at: Place in the file.
            desk: What it is resolved with.
            shared: What the view says about all images.
            derivative: Whether the data set is stated to be one; None: nobody has said so, and it may be.
        """
        if desk.reference((*at, "from"), self.from_) is None:
            return None
        extension, layout, options = FORMATS[self.shown]
        if self.shown in ("tif", "png") and self.suffix == PHOTO:
            layout, options = "", {}
        if self.shown == "ome.zarr":
            codec = None if self.codec is None else compressed(*self.codec)
            options = {"chunks": self.chunks, "shards": self.shards, "codec": codec}
        suffix = desk.filled((*at, "suffix"), self.suffix, self.from_)
        entities = {name: self._text((*at, "entities", name), desk, self.entities[name]) for name in self.entities}
        self._shaped(at, desk, suffix, extension, derivative=derivative)
        self._labelled(at, desk, entities)
        fixed, filled = self._fields(at, desk)
        self._space(at, desk, entities)
        return BidsFiles(
            self.from_,
            suffix,
            {name: entities[name] for name in ordered(entities)},
            extension,
            layout,
            options,
            self.datatype or "",
            fixed,
            filled,
            tuple(self.intended_for or ()),
            desk.about(at, self._about(shared), self.from_),
            self.dtype,
            self.recipe,
            dotted(at),
            self.companions,
        )

    def _about(self, shared: AboutModel | None) -> AboutModel | None:
        if shared is None or self.about is None:
            return self.about or shared
        return shared.model_copy(update={name: getattr(self.about, name) for name in self.about.model_fields_set})

    def _text(self, at: Path_, desk: Resolving, text: str) -> Template:
        """A template over captures of the source; text without any where it is none, and that was told."""
        try:
            found = compile_template(text, path=True)
        except ConfigError as error:
            desk.problem(at, error)
            return Template("", ())
        return desk.filled(at, text, self.from_) if found.names else found

    def _shaped(self, at: Path_, desk: Resolving, suffix: Template, extension: str, *, derivative: bool | None) -> None:
        """Judge names by the schema, as far as they are known before any file is seen."""
        unknown = [name for name in self.entities if name not in schema().entities]
        for name in unknown:
            reason = refusal(Shape((name,), self.suffix, extension, self.datatype or ""))
            desk.problem((*at, "entities", name), reason)
        if suffix.names or not extension or unknown:
            return
        names = ordered(self.entities)
        maybe = derivative is not False
        found = [self.datatype] if self.datatype else datatypes(self.suffix, extension, names, derivative=maybe)
        if len(found) > 1:
            desk.problem(
                at, f"{self.suffix} files may lie in {' or '.join(map(str, found))}; say which with `datatype`"
            )
            return
        datatype = found[0] if found else home(self.suffix)
        reason = refusal(Shape(names, self.suffix, extension, str(datatype)), derivative=maybe)
        if reason:
            desk.problem(at, reason)

    def _labelled(self, at: Path_, desk: Resolving, entities: Mapping[str, Template]) -> None:
        """Values that are the same for all files make labels, or do not."""
        labels = Labels()
        for name, template in entities.items():
            if not template.names and name in schema().entities:
                label = labels.label(name, self.entities[name], self.from_)
                if isinstance(label, Refused):
                    desk.problem((*at, "entities", name), label.reason)

    def _space(self, at: Path_, desk: Resolving, entities: Mapping[str, Template]) -> None:
        space = entities.get("space")
        if space is None or space.names or space.text in schema().spaces or "SpatialReference" in self.sidecar:
            return
        sentence = (
            f"{space.text!r} is no standard space of BIDS: add `SpatialReference` to `sidecar`, the address of the "
            "image that it is the space of"
        )
        desk.problem((*at, "entities", "space"), sentence)

    def _fields(self, at: Path_, desk: Resolving) -> tuple[dict[str, object], dict[str, object]]:
        """Fields that are the same for all images, typed, and templates of the others."""
        fixed, filled = {}, {}
        for name, value in self.sidecar.items():
            try:
                made = templates(value, partial(self._text, (*at, "sidecar", name), desk))
            except ConfigError as error:
                desk.problem((*at, "sidecar", name), error)
                continue
            if constant(made) is None:
                filled[name] = made
            else:
                fixed[name] = value
        if MATRIX in self.sidecar and f"{MATRIX}Axis" not in self.sidecar:
            sentence = f"BIDS wants to know its axes, too: add `{MATRIX}Axis: [X, Y]`, or `[X, Y, Z]`"
            desk.problem((*at, "sidecar", MATRIX), sentence)
        # The two belong together: one tells the unit of the other.
        pair = {values.PIXELS, values.UNITS} & fixed.keys()
        if pair and values.PIXELS in filled | fixed and {values.PIXELS, values.UNITS} & filled.keys():
            filled |= {name: fixed.pop(name) for name in pair}
        typed: dict[str, object] = {}
        unit = {values.UNITS: fixed[values.UNITS]} if values.UNITS in fixed else {}
        for name, value in fixed.items():
            if name == values.UNITS and values.PIXELS in fixed:
                continue
            try:
                typed |= values.fields({name: value, **(unit if name == values.PIXELS else {})})
            except ValueError as error:
                desk.problem((*at, "sidecar", name), str(error).partition(": ")[2])
        return typed, filled


def templates(value: Any, compiled: Callable[[str], Template]) -> Any:
    """``value`` with templates for text, at the leaves of mappings and tuples."""
    if isinstance(value, Mapping):
        return {key: templates(each, compiled) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(templates(each, compiled) for each in value)
    return compiled(value) if isinstance(value, str) else value

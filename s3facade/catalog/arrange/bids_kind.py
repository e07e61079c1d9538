"""Whether a BIDS view is raw or a derivative: images whose voxels were changed by steps belong to derivatives."""

from __future__ import annotations

from dataclasses import dataclass

from s3facade.config.settings import Settings
from s3facade.config.views.bids import BidsFiles, BidsView
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids.rules import Shape, datatypes, home, refusal

PLAIN = frozenset({"stack", "metadata"})
"""Steps that change no voxel: files put together as they were taken, and things said about them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the data set is."""

    derivative: bool
    steps: tuple[str, ...] = ()
    """Names of the steps that changed voxels, each once."""


def kind(view: BidsView, settings: Settings) -> Kind:
    """What the steps of its images make of a data set.

    Raises:
        ConfigError: Raw and computed images in one data set, or computed ones whose names do not say so.
    """
    steps = [(files, steps_of(files, settings)) for files in view.files]
    computed = [(files, done) for files, done in steps if done]
    plain = [files for files, done in steps if not done and files.layout]
    if view.dataset_type == "raw":
        return _named(view, Kind(derivative=False), settings)
    if computed and plain and view.dataset_type is None:
        (one, done), other = computed[0], plain[0]
        raise ConfigError(
            f"{_place(settings, one.where)}: the images of {one.source!r} are computed "
            f"({', '.join(done)}) and those of {other.source!r} are raw: put the computed ones in a view "
            "of their own with `path: derivatives/<name>`"
        )
    derivative = bool(computed) or view.dataset_type == "derivative"
    for files, done in computed:
        if not {"desc", "space"} & files.entities.keys():
            raise ConfigError(
                f"{_place(settings, files.where)}: the images of {files.source!r} are computed "
                f"({', '.join(done)}), which their names must tell: add `desc` or `space` to `entities`"
            )
    made = Kind(derivative, tuple(dict.fromkeys(step for _, done in computed for step in done)))
    return _named(view, made, settings)


def _named(view: BidsView, made: Kind, settings: Settings) -> Kind:
    """``made``, if such a data set may have names of these shapes. Raises `ConfigError`."""
    for files in view.files:
        if files.suffix.names or not files.extension:
            continue
        names, suffix = tuple(files.entities), files.suffix.text
        found = [files.datatype] if files.datatype else datatypes(suffix, files.extension, names, derivative=True)
        shape = Shape(names, suffix, files.extension, found[0] if found else home(suffix))
        reason = refusal(shape, derivative=made.derivative)
        if reason:
            raise ConfigError(f"{_place(settings, files.where)}: {reason}")
    return made


def changes(name: str, settings: Settings) -> tuple[str, ...]:
    """Names of the steps that change voxels on the way to the images called ``name``, in their order."""
    image = settings.images.get(name)
    if image is None:
        return ()
    above = [step for source in image.sources for step in changes(source, settings)]
    own = [step.name for step in image.steps if step.name not in PLAIN]
    return tuple(dict.fromkeys((*above, *own)))


def steps_of(files: BidsFiles, settings: Settings) -> tuple[str, ...]:
    """Names of the steps that change voxels on the way to what is shown; another type is one, too."""
    return (*changes(files.source, settings), *(["cast"] if files.dtype is not None else []))


def _place(settings: Settings, where: str) -> str:
    return f"{settings.path}: {where}" if settings.path else where

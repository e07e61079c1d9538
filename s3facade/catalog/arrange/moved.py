"""Whether what is said of an original file's voxels still holds for the image that steps make of it."""

from __future__ import annotations

from collections.abc import Iterator

from s3facade.catalog.images.recipe import Pipeline, Recipe, Step

KEEPING = frozenset(
    {"metadata", "cast", "clip", "gamma", "invert", "rescale", "threshold", "lut", "arithmetic", "mask"}
    | {"background", "flat_field", "gaussian", "median", "unsharp", "sobel", "laplace_of_gaussian"}
)
"""Steps that leave every voxel where it is; others may turn axes, or leave out slices and volumes."""
TURNING = frozenset({"flip", "rotate90", "affine", "displacement", "chain", "resample", "downsample"})
"""Steps that work on each volume by itself, where they do not name the axis of time."""
SLICES = frozenset({"SliceTiming"})
"""Fields with a value for each slice."""
PLACES = SLICES | {
    *("PhaseEncodingDirection", "SliceEncodingDirection", "RepetitionTime", "VolumeTiming", "FrameTimesStart"),
    *("FrameDuration", "DecayCorrectionFactor", "ScaleFactor", "NumberShots", "TotalAcquiredPairs"),
}
"""Fields that count on the order of axes, slices or volumes."""


def turned(recipe: Recipe) -> str | None:
    """Name of the first step after which directions or volumes may be others; None where there is no such step."""
    return next((s.config.name for s in _steps(recipe) if s.config.name not in KEEPING and not _within(s)), None)


def timed(recipe: Recipe) -> str | None:
    """Name of the first step after which volumes may be others, or in another order; None where there is none."""
    steps = (step for step in _steps(recipe) if step.config.name not in KEEPING and not _within(step))
    return next((s.config.name for s in steps if s.config.name not in TURNING or _over_time(s)), None)


def outdated(recipe: Recipe) -> frozenset[str]:
    """Fields of BIDS that the original file's metadata have and that no longer hold."""
    if turned(recipe) is not None:
        return PLACES
    cropped = any("z" in step.config.value for step in _steps(recipe) if step.config.name == "crop")
    return SLICES if cropped else frozenset()


def _within(step: Step) -> bool:
    """A crop in space leaves directions and volumes as they are."""
    return step.config.name == "crop" and not _over_time(step)


def _over_time(step: Step) -> bool:
    """Whether the step names the axis of time, as a key or among the axes that it lists."""
    value = step.config.value
    listed = {axis for each in value.values() if isinstance(each, list | tuple) for axis in each if axis == "t"}
    return "t" in value or bool(listed)


def _steps(recipe: Recipe) -> Iterator[Step]:
    while isinstance(recipe, Pipeline):
        yield from recipe.steps
        recipe = recipe.parents[0]

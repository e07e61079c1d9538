"""Which wells the images of a file belong to: what ``attrs["plate"]`` of their descriptions says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3facade.core.errors import Unsupported
from s3facade.core.image import Dataset, Image
from s3facade.layouts import wells as names
from s3facade.layouts.plate import Acquisition

_SAID = ("row", "column", "name", "field", "acquisition", "acquisition_name")
"""What ``attrs["plate"]`` may say."""
_COLUMNS = 9999
"""What is taken for the number of columns of a plate."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One image and its place."""

    image: Image
    name: str
    row: str
    column: str
    plate: str
    """Name of the plate; empty if it has none, as the next three."""
    field: str
    acquisition: str
    run: str
    """Name of the acquisition."""
    size: tuple[int, int] | None
    """Rows and columns of the whole plate, if they are known."""
    first: bool
    """Whether label images of the dataset belong to it."""


def placed_images(dataset: Dataset) -> tuple[list[Shot], list[str]]:
    """Images with the wells that they say they belong to, and names of those that say nothing."""
    placed, left = [], []
    for number, (key, image) in enumerate(dataset.images.items()):
        attrs = image.spec.attrs
        name = str(attrs.get("name") or key or f"image {number}")
        about = attrs.get("plate")
        if not isinstance(about, Mapping) or "row" not in about or "column" not in about:
            left.append(name)
            continue
        row, column, plate, field, run, called = (str(about.get(what, "")).strip() for what in _SAID)
        if not (names.NAME.fullmatch(row) and names.NAME.fullmatch(column)):
            raise Unsupported(f"The image {name!r} belongs to the well {row!r}/{column!r}: not letters and digits.")
        size = _size(about.get("size"))
        placed.append(Shot(image, name, row, column, plate, field, run, called, size, first=number == 0))
    if not placed:
        raise Unsupported(
            f"None of the {len(dataset.images)} images says which well it belongs to; say it with `well:` and "
            "`field:`, or show them with a view of type `ome-zarr`."
        )
    return placed, left


def side(labels: Sequence[str], count: int) -> tuple[str, ...]:
    """Names of ``count`` rows or columns, if all labels are among them; else of those that occur."""
    found = names.occurring(labels)
    full = names.columns(count) if all(map(names.DIGITS.fullmatch, found)) else names.rows(min(count, names.MOST))
    return full if set(found) <= set(full) else found


def _size(said: object) -> tuple[int, int] | None:
    """Rows and columns of the whole plate, if they are stated and can be."""
    if not isinstance(said, list | tuple) or len(said) != 2 or not all(isinstance(n, int) for n in said):
        return None
    return (said[0], said[1]) if 0 < said[0] <= names.MOST and 0 < said[1] <= _COLUMNS else None


def runs_of(placed: Sequence[Shot]) -> dict[str, Acquisition]:
    """Acquisitions by label, ids from 1; none where no two images tell theirs apart, and it has no name."""
    called = {shot.acquisition: shot.run for shot in placed if shot.acquisition}
    labels = sorted(called, key=names.order)
    if len(labels) < 2 and not any(called.values()) and all(map(names.DIGITS.fullmatch, labels)):
        return {}
    return {label: Acquisition(number, called[label] or label) for number, label in enumerate(labels, 1)}


def ordered(shots: Sequence[Shot], runs: Mapping[str, Acquisition]) -> list[Shot]:
    """Images of a well by acquisition and field; further images of fields, projections for instance, behind all."""
    seen: Counter[tuple[str, str]] = Counter()
    keyed = []
    for shot in shots:
        run = runs[shot.acquisition].id if shot.acquisition in runs else 0
        again = seen[shot.acquisition, shot.field]
        seen[shot.acquisition, shot.field] += 1
        keyed.append(((run, again, names.order(shot.field)), shot))
    return [shot for _, shot in sorted(keyed, key=lambda pair: pair[0])]

"""Fields of wells as Plate elements of OME-XML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from s3facade.core.spec import Spec
from s3facade.layouts.ome_elements import Element, stated, words


def plates(specs: Sequence[Spec]) -> list[Element]:
    """The plates that images are fields of, by what ``attrs["plate"]`` says of each."""
    found: dict[str, dict[tuple[int, int], list[int]]] = {}
    for number, spec in enumerate(specs):
        about = spec.attrs.get("plate")
        place = _place(about) if isinstance(about, Mapping) else None
        if place is not None and isinstance(about, Mapping):
            name = words(about.get("name")) or ""
            found.setdefault(name, {}).setdefault(place, []).append(number)
    return [_plate(k, name, wells, specs) for k, (name, wells) in enumerate(found.items())]


def _plate(k: int, name: str, wells: Mapping[tuple[int, int], Sequence[int]], specs: Sequence[Spec]) -> Element:
    children = []
    for w, ((row, column), images) in enumerate(sorted(wells.items())):
        samples = [
            Element(
                "WellSample",
                {"ID": f"WellSample:{k}:{w}:{i}", "Index": str(number)},
                [Element("ImageRef", {"ID": f"Image:{number}"})],
            )
            for i, number in enumerate(images)
        ]
        children.append(Element("Well", {"ID": f"Well:{k}:{w}", "Row": str(row), "Column": str(column)}, samples))
    labels = [about for n in wells.values() for i in n if isinstance(about := specs[i].attrs["plate"], Mapping)]
    return Element("Plate", {"ID": f"Plate:{k}", **stated(Name=name or None), **_naming(labels)}, children)


def _naming(plates: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """How rows and columns are called."""
    return {
        f"{side}NamingConvention": "letter" if any(_is_letters(p.get(side.lower())) for p in plates) else "number"
        for side in ("Column", "Row")
    }


def _is_letters(label: object) -> bool:
    return isinstance(label, str) and label.isalpha()


def _place(about: Mapping[str, object]) -> tuple[int, int] | None:
    row, column = position(about.get("row")), position(about.get("column"))
    return None if row is None or column is None else (row, column)


def position(label: object) -> int | None:
    """A row or column counted from 0, by its label: ``A`` and ``1`` are the first, ``AA`` follows ``Z``."""
    text = str(label).strip().upper() if isinstance(label, str | int) else ""
    if re.fullmatch(r"\d{1,4}", text):
        return max(int(text) - 1, 0)
    if re.fullmatch(r"[A-Z]{1,2}", text):
        place = 0
        for letter in text:
            place = place * 26 + ord(letter) - ord("A") + 1
        return place - 1
    return None

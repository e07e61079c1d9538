"""Whether the fields of a plate are alike and whole: told when they are opened, since names do not say it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from s3facade.catalog.images.mount import Mount
from s3facade.core.image import Dataset
from s3facade.core.spec import Spec
from s3facade.layouts.plate import kind_of, mixed

Place: TypeAlias = tuple[int, int, int]
"""Row, column and number of a field."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Remarks on a field that is not like the first one of its plate."""

    plate: str
    key: str
    place: Place
    kinds: dict[Place, tuple[str, str]] = field(compare=False)
    """Of fields that were opened: what they are and their keys. Shared by all fields of the plate."""

    def remarks(self, dataset: Dataset) -> Iterable[str]:
        """A sentence while it differs from the first field that was opened: viewers show them all like that."""
        self.kinds[self.place] = kind_of(next(iter(dataset.images.values())).spec), self.key
        return _Differing(self)

    def differing(self) -> Sequence[str]:
        """The same as far as fields are open now."""
        opened = dict(self.kinds)
        (kind, _), (usual, first) = opened.get(self.place, ("", "")), opened[min(opened)] if opened else ("", "")
        if kind == usual or not kind:
            return ()
        told = f"Fields of the plate {self.plate!r} are not alike: {self.key} is {kind}, {first} is {usual}; "
        return [told + "viewers show the whole plate as its first field says."]


def known(shown: Mapping[str, Mount], keys: Mapping[Place, str]) -> dict[Place, tuple[str, str]]:
    """What is known of fields of an earlier plan, which stay open: those that are added are compared with them.

    Args:
        shown: What the bucket shows, by key.
        keys: Of all fields of the plate now.
    """
    for key in keys.values():
        judge = before.judge if (before := shown.get(key)) is not None else None
        if isinstance(judge, Alike):
            for place in judge.kinds.keys() - keys.keys():
                judge.kinds.pop(place, None)
            return judge.kinds
    return {}


@dataclass(frozen=True, slots=True)
class _Differing:
    """What is wrong with a field by now: others that are opened later, or are put right, change that."""

    judge: Alike

    def __iter__(self) -> Iterator[str]:
        return iter(self.judge.differing())


@dataclass(frozen=True, slots=True)
class Whole:
    """Remarks on a file or folder that is a plate by itself."""

    def remarks(self, dataset: Dataset) -> Sequence[str]:
        """Sentences, where fields differ from the others or planes of theirs are missing."""
        specs = {str(image.spec.attrs.get("name") or key): image.spec for key, image in dataset.images.items()}
        # Further images of a field, projections for instance, are other than it and stand behind all fields.
        fields: dict[tuple[str, ...], tuple[str, Spec]] = {}
        for name, spec in specs.items():
            if isinstance(about := spec.attrs.get("plate"), Mapping):
                place = tuple(str(about.get(what)) for what in ("name", "row", "column", "field", "acquisition"))
                fields.setdefault(place, (name, spec))
        unlike = mixed(dict(fields.values()))
        lacking = [name for name, spec in specs.items() if spec.attrs.get("missing")]
        found = [unlike] if unlike else []
        if lacking:
            found.append(
                f"{len(lacking)} of {len(specs)} images of the plate lack files that its index names, the first is "
                f"{lacking[0]!r}: reading them fails, and viewers may show nothing of the plate; put the files back."
            )
        return found

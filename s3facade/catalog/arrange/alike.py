"""Whether the fields of a plate are alike and whole: told when they are opened, since names do not say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from s3facade.core.image import Dataset
from s3facade.layouts.plate import kind_of, mixed


@dataclass(frozen=True, slots=True)
class Alike:
    """Remarks on a field that is not like those that were opened before it."""

    plate: str
    key: str
    kinds: dict[str, str] = field(compare=False)
    """Of fields that were opened: the first one of each kind. Shared by all fields of the plate."""

    def remarks(self, dataset: Dataset) -> Sequence[str]:
        """A sentence where it differs from the first that was opened."""
        kind = kind_of(next(iter(dataset.images.values())).spec)
        self.kinds.setdefault(kind, self.key)
        usual, first = next(iter(self.kinds.items()))
        if kind == usual:
            return ()
        told = f"Fields of the plate {self.plate!r} are not alike: {self.key} is {kind}, {first} is {usual}; "
        return [told + "viewers show the whole plate as its first field says."]


@dataclass(frozen=True, slots=True)
class Whole:
    """Remarks on a file or folder that is a plate by itself."""

    def remarks(self, dataset: Dataset) -> Sequence[str]:
        """Sentences, where fields differ from the others or planes of theirs are missing."""
        specs = {str(image.spec.attrs.get("name") or key): image.spec for key, image in dataset.images.items()}
        unlike = mixed({name: spec for name, spec in specs.items() if "plate" in spec.attrs})
        lacking = [name for name, spec in specs.items() if spec.attrs.get("missing")]
        found = [unlike] if unlike else []
        if lacking:
            found.append(
                f"{len(lacking)} of {len(specs)} images of the plate lack files that its index names, the first is "
                f"{lacking[0]!r}: reading them fails, and viewers may show nothing of the plate; put the files back."
            )
        return found

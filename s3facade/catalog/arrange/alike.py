"""Whether the fields of a plate are alike: told when they are opened, since names do not say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from s3facade.core.image import Dataset
from s3facade.layouts.plate import kind_of


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

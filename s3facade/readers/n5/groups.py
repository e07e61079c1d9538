"""Which images an N5 container holds: datasets, and groups that are images of several resolutions.

Conventions: n5-viewer (``pixelResolution``, ``downsamplingFactors``, ``scales``), COSEM (``multiscales`` with a
``transform`` for each level), Paintera (``painteraData``, ``multiScale``), BigDataViewer (``setup0/timepoint0/s0``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.folders.documents import Document, beside, document, listed, mapping
from s3facade.readers.zarr.tree import MAX_DEPTH, MAX_NODES, natural

_LEVEL = re.compile(r"s[0-9]+")
_SETUP = re.compile(r"setup[0-9]+")
_TIME = re.compile(r"timepoint[0-9]+")


@dataclass(frozen=True, slots=True)
class Group:
    """A folder of the container."""

    path: str
    """Below the container; empty for itself."""
    file: SourceFile | None
    """Its attributes, if it has any."""
    attributes: Document = field(default_factory=dict)

    @property
    def array(self) -> bool:
        """Whether it is a dataset."""
        return "dimensions" in self.attributes and "blockSize" in self.attributes


@dataclass(frozen=True, slots=True)
class Multi:
    """An image."""

    group: Group
    """What holds the levels; the dataset itself where there is one level alone."""
    levels: tuple[tuple[Group, ...], ...]
    """Datasets, finest first; of each level one for every time point."""
    outer: Document = field(default_factory=dict)
    """Attributes of the group above, where they belong to it."""
    multiscale: Document = field(default_factory=dict)
    """Of COSEM: the entry of ``multiscales``."""


class Container:
    """Finds images.

    Args:
        file: The attributes of the outermost group.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self._known: dict[str, Group] = {}

    def group(self, path: str) -> Group:
        """A folder, by its path below the container. Raises `BadSource` if its attributes are damaged."""
        if path not in self._known:
            if len(self._known) > MAX_NODES:
                raise Unsupported(f"The container has more than {MAX_NODES} groups; open a part of it with `path`.")
            file = self.file if not path else beside(self.file, f"{path}/attributes.json")
            self._known[path] = Group(path, file, document(file) if file else {})
        return self._known[path]

    def documents(self, group: Group) -> list[SourceFile]:
        """Attributes of a group and of those that it lies in, as far as they were read."""
        path, found = group.path, [group.file]
        while path:
            path = path.rpartition("/")[0]
            above = self._known.get(path)
            found.append(above.file if above else None)
        return [file for file in found if file is not None]

    def children(self, group: Group) -> list[Group]:
        """Folders in a group, sorted."""
        below = f"{group.path}/" if group.path else ""
        try:
            names = [n[:-1] for n in self.file.names(group.path) if n.endswith("/") and not n.startswith(".")]
        except SourceNotFound:
            return []
        return [self.group(below + n) for n in sorted(names, key=natural)]

    def images(self, group: Group, depth: int = 0) -> Iterator[Multi]:
        """Images of a group, in order. Raises `SourceError`."""
        if group.array:
            yield Multi(group, ((group,),))
            return
        multiscales = listed(group.attributes.get("multiscales"))
        if multiscales:
            yield from (self._cosem(group, mapping(m)) for m in multiscales)
            return
        if "painteraData" in group.attributes:
            below = f"{group.path}/data" if group.path else "data"
            yield from self.images(self.group(below), depth + 1)
            return
        children = self.children(group)
        levels = [c for c in children if _LEVEL.fullmatch(_last(c)) and c.array]
        if levels and _last(levels[0]) == "s0":
            yield Multi(group, tuple((c,) for c in levels), self._above(group))
        elif any(_TIME.fullmatch(_last(c)) for c in children) and _SETUP.fullmatch(_last(group)):
            yield from self._setup(group, [c for c in children if _TIME.fullmatch(_last(c))])
        elif depth < MAX_DEPTH:
            for child in children:
                yield from self.images(child, depth + 1)

    def _above(self, group: Group) -> Document:
        """Attributes of the group that ``data`` of Paintera lies in."""
        return self.group(group.path.rpartition("/")[0]).attributes if _last(group) == "data" else {}

    def _cosem(self, group: Group, about: Document) -> Multi:
        paths = [str(mapping(d)["path"]) for d in listed(about.get("datasets"))]
        levels = [self.group(f"{group.path}/{p}" if group.path else p) for p in paths]
        for level in levels:
            if not level.array:
                raise BadSource(f"The metadata of the image refer to {level.path!r}, which is no dataset.")
        if not levels:
            raise BadSource("The multiscale image has no datasets.", private=group.path)
        return Multi(group, tuple((n,) for n in levels), {}, about)

    def _setup(self, group: Group, times: Sequence[Group]) -> Iterator[Multi]:
        """The time points of one setup of BigDataViewer: one image if they are alike."""
        found = [[c for c in self.children(time) if _LEVEL.fullmatch(_last(c)) and c.array] for time in times]
        alike = {tuple((_last(c), str(_form(c))) for c in levels) for levels in found}
        if len(alike) == 1 and found[0]:
            yield Multi(group, tuple(zip(*found, strict=True)), times[0].attributes)
            return
        for time, levels in zip(times, found, strict=True):
            if levels:
                yield Multi(time, tuple((c,) for c in levels), group.attributes)


def _form(group: Group) -> object:
    return [group.attributes.get(k) for k in ("dimensions", "blockSize", "dataType", "compression", "compressionType")]


def _last(group: Group) -> str:
    return group.path.rpartition("/")[2]

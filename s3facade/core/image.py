"""Images as plans: frozen trees that one engine interprets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, cast

from s3facade.core.identity import digest
from s3facade.core.operators import Combination, Transform
from s3facade.core.spec import Spec


@dataclass(frozen=True, slots=True)
class Source:
    """One original file, as it was when it was described."""

    path: str
    """Absolute path, or a path inside a store. From configuration and scans only, never from a key."""
    size: int
    """Bytes."""
    modified: int
    """Nanoseconds since 1970, UTC."""
    etag: str
    """Changes when the bytes do; locally size, mtime_ns and inode."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A leaf: one image inside a file, described, not held open."""

    source: Source
    reader: str
    series: int
    """Which image of the file."""
    spec: Spec
    members: tuple[Source, ...] = ()
    """Every file the pixels come from, ``source`` included."""
    options: Mapping[str, object] = field(default_factory=dict, hash=False, compare=False)
    """Reader options; they are part of ``spec.identity``."""
    isolated: bool = False
    """Read in a process of its own, since its reader may crash on it."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A transform of another image."""

    parent: Image
    transform: Transform
    spec: Spec


@dataclass(frozen=True, slots=True)
class Combined:
    """Several images made into one."""

    parents: tuple[Image, ...]
    combination: Combination
    spec: Spec


Image: TypeAlias = Opened | Derived | Combined


@dataclass(frozen=True, slots=True)
class Dataset:
    """What one view shows: images by name, their labels, plain files."""

    images: Mapping[str, Image]
    """In order of series. One image called ``""`` is shown at the root of the view."""
    labels: Mapping[str, Image] = field(default_factory=dict)
    """Integer label images that belong to the first image, by name."""
    modified: int = 0
    """Nanoseconds since 1970, UTC: when the way of showing it last changed, e.g. the configuration file."""
    recipe: Mapping[str, object] = field(default_factory=dict)
    """How it was made, JSON-compatible, for a document beside the voxels; ``digest`` names the whole of it, ``steps``
    are the names of the transforms. Empty: nothing is told."""
    about: Mapping[str, object] = field(default_factory=dict)
    """What the operator says about it that no file does (name, licence, organism, …), JSON-compatible."""


class Composite(Protocol):
    """The options of a step that is made of several operators. A frozen dataclass."""

    def build(self, image: Image, *others: Image) -> Image:
        """The operators applied to ``image``. Pure; raises `Unsupported`.

        ``others`` are the images that its options name, in the order of their fields.
        """
        ...


def derive(parent: Image, transform: Transform) -> Derived:
    """``transform`` applied to ``parent``, with its spec and identity worked out.

    Raises:
        Unsupported: The transform cannot act on this image; raised now, not at the first read.
    """
    identity = digest(parent.spec.identity, _name(transform), transform.version, transform)
    return Derived(parent, transform, replace(transform.spec(parent.spec), identity=identity))


def combine(parents: Sequence[Image], combination: Combination) -> Combined:
    """``combination`` of ``parents``, with its spec and identity worked out.

    Raises:
        Unsupported: They do not go together; raised now, not at the first read.
    """
    specs = [parent.spec for parent in parents]
    tags = [spec.identity for spec in specs]
    identity = digest(tags, _name(combination), combination.version, combination)
    return Combined(tuple(parents), combination, replace(combination.spec(specs), identity=identity))


def apply_step(image: Image, step: Transform | Composite, *others: Image) -> Image:
    """One step of a pipeline applied to ``image``, with the ``others`` that it names. Raises `Unsupported`."""
    if hasattr(step, "build"):
        return cast(Composite, step).build(image, *others)
    return derive(image, step)


def _name(operator: object) -> str:
    return f"{type(operator).__module__}.{type(operator).__qualname__}"


def nodes(image: Image) -> Iterator[Image]:
    """``image`` and all that it is made of, each once however many ways lead to it; parents in their order."""
    seen: set[int] = set()
    ahead = [image]
    while ahead:
        node = ahead.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, Derived):
            ahead.append(node.parent)
        elif isinstance(node, Combined):
            ahead.extend(reversed(node.parents))


def sources(image: Image) -> Iterator[Source]:
    """Every file that pixels of ``image`` come from, those that transforms read their parameters from included."""
    for node in nodes(image):
        if isinstance(node, Opened):
            yield from node.members or (node.source,)
        else:
            yield from getattr(node.transform if isinstance(node, Derived) else node.combination, "files", ())

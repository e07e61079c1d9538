"""``s3facade inspect``: what a file holds, how it would be shown, and what makes it slow."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from s3facade import registry
from s3facade.catalog.images.recipe import FileRecipe
from s3facade.cli.what import Commands
from s3facade.core.errors import Unsupported
from s3facade.core.image import Derived, Image, Opened, sources
from s3facade.core.spec import Channel, Spec
from s3facade.engine.engine import Engine
from s3facade.layouts.chunking import tiling
from s3facade.transforms.pyramids.pyramid import pyramid

HARD_TYPES = ("float64", "int64", "float16", "bool")
"""Types that at least one of the common viewers cannot read."""


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("inspect", help="describe an image file and how it would be shown")
    command.add_argument("file", metavar="FILE", help="an image file, or a folder that is one image")
    command.set_defaults(run=show)


def show(arguments: argparse.Namespace) -> int:
    """Print every image of a file."""
    path = Path(os.path.normpath(Path(arguments.file).expanduser().absolute()))
    engine = Engine(registry.reader)
    try:
        path = marker(path)
        reader = recognise(path)
        images = [pyramid(image) for image in FileRecipe(str(path), reader).images(engine)]
        print(f"{arguments.file}: {len(images)} image{'' if len(images) == 1 else 's'}, read by {reader!r}")
        for number, image in enumerate(images):
            print("\n".join(describe(number, image, engine)))
    finally:
        engine.close()
    return 0


def marker(path: Path) -> Path:
    """The file by which a folder is one image, an OME-Zarr for instance; ``path`` itself if it is no such folder."""
    if path.is_dir():
        # As the catalog orders them: zarr.json before .zgroup.
        for name in sorted(registry.markers(), reverse=True):
            found = path / name
            if found.is_file():
                with contextlib.suppress(Unsupported):
                    recognise(found)
                    return found
    return path


def recognise(path: Path) -> str:
    """Name of the reader that knows the file.

    Raises:
        Unsupported: None does, or the file cannot be read.
    """
    if path.exists() and not path.is_file():
        raise Unsupported(
            f"{path} is not a plain file, nor a folder that is one image; `s3facade serve` and `check` take folders."
        )
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise Unsupported(f"{path} cannot be read: {error.strerror}.") from None
    for name, reader in registry.readers():
        if reader.sniff(head, path.name):
            return name
    raise Unsupported(f"{path} is no image that any reader recognises; `s3facade formats` lists what can be read.")


def describe(number: int, image: Image, engine: Engine) -> Iterator[str]:
    """Lines about one image."""
    spec, source = image.spec, opened(image)
    stored = source.spec.levels
    raster = engine.rasters.get(source)
    # Where chunks are files of their own there is no table of them; the raster itself says how they are encoded.
    codec = getattr(raster.chunks(0) or raster, "codec", None)
    name = spec.attrs.get("name")
    yield ""
    yield f"image {number}" + (f": {name}" if isinstance(name, str) and name else "")
    yield f"  shape     {_named(spec, spec.levels[0].shape)}, {spec.dtype}"
    yield f"  voxel     {_voxel(spec)}"
    yield from acquisition(spec)
    members = list(sources(image))
    if len(members) > 1:
        yield f"  files     {len(members)}, this one included"
    yield f"  stored    {_stored(spec, codec, stored[0].block)}"
    for level, item in enumerate(spec.levels):
        origin = "in the file" if level < len(stored) else "computed"
        cut = tiling(spec, level)
        shards = f", shards {_sizes(cut.outer)}" if cut.counts else ""
        yield f"  level {level}   {_sizes(item.shape)}, {origin}; shown in chunks {_sizes(cut.chunk)}{shards}"
    for index, channel in enumerate(spec.channels):
        window = "" if channel.window is None else f", window {channel.window[0]:g} to {channel.window[1]:g}"
        color = "" if channel.color is None else f", colour {channel.color}"
        light = _light(channel)
        if channel.name or color or window or light:
            yield f"  channel {index} {channel.name or 'unnamed'}{color}{light}{window}"
    for note in notes(image):
        yield f"  note      {note}"


def acquisition(spec: Spec) -> Iterator[str]:
    """How and when the image was taken, as far as the file says."""
    acquired, objective, plate = (spec.attrs.get(key) for key in ("acquired", "objective", "plate"))
    if isinstance(acquired, str) and acquired:
        yield f"  acquired  {acquired}"
    if isinstance(objective, Mapping):
        told = (("name", "{}"), ("magnification", "{:g}x"), ("na", "NA {:g}"), ("immersion", "{}"))
        known = [form.format(objective[key]) for key, form in told if _fits(objective.get(key), form)]
        if known:
            yield f"  objective {', '.join(known)}"
    affine = spec.attrs.get("affine")
    if isinstance(affine, list | tuple):
        rows = "; ".join(" ".join(f"{v:.6g}" for v in row) for row in affine)
        yield f"  affine    x, y, z in voxels to µm, {spec.attrs.get('frame', 'of the file')}: {rows}"
    if isinstance(plate, Mapping):
        place = [f"{key} {plate[key]}" for key in ("name", "row", "column", "field") if plate.get(key) is not None]
        yield f"  plate     {', '.join(place)}"


def _fits(value: object, form: str) -> bool:
    if ":g" in form:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) and bool(value)


def _light(channel: Channel) -> str:
    """Wavelengths."""
    told = (("excitation", channel.excitation), ("emission", channel.emission))
    return "".join(f", {name} {value:g} nm" for name, value in told if value is not None)


def opened(image: Image) -> Opened:
    """The file behind a plan."""
    while not isinstance(image, Opened):
        image = image.parent if isinstance(image, Derived) else image.parents[0]
    return image


def notes(image: Image) -> Iterator[str]:
    """Sentences: what viewers stumble over, and what makes the image slow."""
    spec = image.spec
    if str(spec.dtype) in HARD_TYPES:
        yield f"Some viewers cannot read {spec.dtype}: set `dtype: {_easier(spec)}` in the view, to cast it."
    unknown = [a.name for a in spec.axes if a.kind == "space" and a.unit is None]
    if unknown:
        yield f"The file states no voxel size along {', '.join(unknown)}: if you know it, set `pixel_size:`."
    yield from sentences(spec, "notes")
    yield from (f"slow: {reason}" for reason in sentences(spec, "reasons"))


def sentences(spec: Spec, name: str) -> Iterator[str]:
    """What the reader says about the file under ``name``."""
    found = spec.attrs.get(name, ())
    if isinstance(found, list | tuple):
        yield from map(str, found)


def _easier(spec: Spec) -> str:
    easier: Mapping[str, str] = {"float64": "float32", "float16": "float32", "bool": "uint8"}
    return easier.get(str(spec.dtype), "int32")


def _stored(spec: Spec, codec: str | None, block: tuple[int, ...]) -> str:
    if codec is None:
        return f"no random access to single chunks; read in blocks of {_named(spec, block)}"
    return f"chunks {_named(spec, block)}, {codec}"


def _voxel(spec: Spec) -> str:
    known = [
        f"{a.name} {s:g} {'µm' if a.unit == 'micrometer' else 's' if a.unit == 'second' else a.unit}"
        for a, s in zip(spec.axes, spec.levels[0].scale, strict=True)
        if a.unit is not None
    ]
    return ", ".join(known) or "size not stated"


def _named(spec: Spec, sizes: tuple[int, ...]) -> str:
    return ", ".join(f"{n} {s}" for n, s in zip(spec.names, sizes, strict=True))


def _sizes(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))

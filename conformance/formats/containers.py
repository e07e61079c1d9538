"""Containers of many arrays by other libraries: which array is which image, by its path, what its axes are."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conformance.formats.told import STORED, NotTold, Told, ordered, stored
from s3facade.core.protocols import Raster

Arrays = dict[str, tuple[np.ndarray, Sequence[str]]]
"""By path: values, and names of dimensions, empty where there are none."""


def hdf5(path: Path, rasters: Sequence[Raster]) -> Told:
    """Data sets with labels of dimensions; else all of numbers with two dimensions of some length."""
    import h5py

    arrays: Arrays = {}

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim >= 2 and node.dtype.kind in "biuf":
            arrays[name] = node[()], [d.label for d in node.dims] if all(d.label for d in node.dims) else ""

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    if all(re.fullmatch(r"t\d+/s\d+/\d+/cells|s\d+/\w+", name) for name in arrays):
        return _setups(path, sorted({int(name.split("/")[1][1:]) for name in arrays if name.endswith("cells")}))
    named = {name: found for name, found in arrays.items() if found[1]}
    big = {name: found for name, found in arrays.items() if sum(n >= 16 for n in found[0].shape) >= 2}
    return _listed("h5py", named or big)


def bdv(path: Path, rasters: Sequence[Raster]) -> Told:
    """The set-ups of the document, in its order."""
    root = ET.parse(path).getroot()
    source = path.parent / next(e.text or "" for e in root.iter("hdf5"))
    return _setups(source, [int(e.findtext("id") or 0) for e in root.iter("ViewSetup")])


def _setups(source: Path, setups: Sequence[int]) -> Told:
    """``tTTTTT/sSS/LEVEL/cells``, as BigDataViewer has it."""
    import h5py

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        with h5py.File(source, "r") as file:
            times = sorted(name for name in file if re.fullmatch(r"t\d+", name))
            found = [file[f"{t}/s{setups[image]:02}/{level}/cells"][()] for t in times]
        return ordered(np.stack(found), "tzyx", raster, level)

    return Told("h5py", find)


def imaris(path: Path, rasters: Sequence[Raster]) -> Told:
    """``ResolutionLevel/TimePoint/Channel``, cut to the size that the channel states."""
    import h5py

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        with h5py.File(path, "r") as file:
            group = file[f"DataSet/ResolutionLevel {level}"]
            times = [group[f"TimePoint {t}"] for t in range(len(group))]
            found = np.stack([np.stack([_cut(time[f"Channel {c}"]) for c in range(len(time))]) for time in times])
        return ordered(found, "tczyx", raster, level)

    return Told("h5py", find)


def _cut(channel: Any) -> np.ndarray:
    sizes = [int(b"".join(channel.attrs[f"ImageSize{a}"].tolist())) for a in "ZYX" if f"ImageSize{a}" in channel.attrs]
    values = channel["Data"][()]
    return values[tuple(slice(n) for n in sizes)] if len(sizes) == 3 else values


def zarr(path: Path, rasters: Sequence[Raster]) -> Told:
    """The levels that ``multiscales`` lists; else the array itself, or all below it by path."""
    top = path.parent
    library, arrays = "zarr-python", _by_zarr(top)
    if arrays is None:
        library, arrays = "tensorstore", _by_tensorstore(top)
    multiscales = _multiscales(top)
    if not multiscales:
        return _listed(
            library, {name: found for name, found in sorted(arrays.items()) if found[0].ndim > 1 or not name}
        )

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        about = multiscales[image]
        values, names = arrays[about["datasets"][level]["path"]]
        axes = [a if isinstance(a, str) else a["name"] for a in about.get("axes", [])] or names
        return _placed(values, axes, raster, level)

    return Told(library, find, order="" if all(m.get("axes") for m in multiscales) else STORED)


def _by_zarr(top: Path) -> Arrays | None:
    import zarr as library

    try:
        node = library.open(store=str(top), mode="r")
        found = {"": node} if isinstance(node, library.Array) else dict(node.members(max_depth=None))
        return {
            name: (np.asarray(array[...]), array.metadata.to_dict().get("dimension_names") or _dimensions(array.attrs))
            for name, array in found.items()
            if isinstance(array, library.Array) and array.dtype.kind in "biuf"
        }
    except (TypeError, ValueError, KeyError, NotImplementedError):  # codecs and types of others; TensorStore is asked
        return None


def _dimensions(attrs: Mapping[str, Any]) -> Sequence[str]:
    return attrs.get("_ARRAY_DIMENSIONS", "")


def _by_tensorstore(top: Path) -> Arrays:
    import tensorstore

    found: Arrays = {}
    for name, driver in ((".zarray", "zarr"), ("zarr.json", "zarr3")):
        for about in sorted(top.rglob(name)):
            spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{about.parent}/"}}
            try:
                array = tensorstore.open(spec, open=True).result()
            except ValueError:
                continue
            key = about.parent.relative_to(top).as_posix()
            found["" if key == "." else key] = np.asarray(array.read().result()), "".join(array.domain.labels)
    return found


def _multiscales(top: Path) -> list[dict[str, Any]]:
    for name in (".zattrs", "zarr.json"):
        if (top / name).is_file():
            about = json.loads((top / name).read_text("utf-8"))
            about = about.get("attributes", about)
            return about.get("ome", about).get("multiscales", [])
    return []


def n5(path: Path, rasters: Sequence[Raster]) -> Told:
    """Levels are folders s0, s1 … in order, or the folder itself; dimensions in N5 are x first."""
    below = sorted(p for p in path.parent.glob("s[0-9]*") if (p / "attributes.json").is_file())
    folders = [f for f in (below or [path.parent]) if "dimensions" in json.loads((f / "attributes.json").read_text())]
    return _tensorstore([{"driver": "n5", "kvstore": {"driver": "file", "path": f"{f}/"}} for f in folders], "xyzct")


def precomputed(path: Path, rasters: Sequence[Raster]) -> Told:
    """Scales in the order of the document; tensorstore names the dimensions."""
    kvstore = {"driver": "file", "path": f"{path.parent}/"}
    scales = range(len(json.loads(path.read_text("utf-8"))["scales"]))
    return _tensorstore([{"driver": "neuroglancer_precomputed", "kvstore": kvstore, "scale_index": k} for k in scales])


def _tensorstore(specs: Sequence[Mapping[str, Any]], otherwise: str = "") -> Told:
    """``otherwise`` names dimensions where tensorstore does not: those of N5 stand x first."""
    import tensorstore

    arrays = [tensorstore.open(spec, open=True, read=True).result() for spec in specs]

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        array = arrays[level]
        labels = [label.replace("channel", "c") for label in array.domain.labels]
        values = np.asarray(array.read().result())
        if all(labels):
            return ordered(values, labels, raster, level)
        return stored(values.transpose(), raster, level)

    named = all(all(array.domain.labels) for array in arrays)
    return Told("tensorstore", find, order="" if named or not otherwise else STORED)


def _listed(library: str, arrays: Arrays) -> Told:
    """Each array an image, in the order of their paths."""

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        if level or image >= len(arrays):
            raise NotTold(f"{len(arrays)} arrays for image {image}, level {level}")
        values, names = list(arrays.values())[image]
        return _placed(values, names, raster, level)

    return Told(library, find, order="" if all(names for _, names in arrays.values()) else STORED)


def _placed(values: np.ndarray, names: Sequence[str], raster: Raster, level: int) -> np.ndarray:
    return ordered(values, names, raster, level) if names else stored(values, raster, level)

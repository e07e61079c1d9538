"""What independent libraries read from the same files: arrays, voxel sizes, channel names."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import numpy as np

from conformance.corpus.corpus import REPOSITORY
from conformance.corpus.corpus import oracle as by_tifffile
from s3facade.core.protocols import Raster
from s3facade.core.spec import Spec
from s3facade.testing.reading import voxels


class NotTold(Exception):
    """There is nothing to compare with; says why."""


@dataclass
class Told:
    """What a library says about a file."""

    library: str = ""
    find: Callable[[int, int, Raster], np.ndarray] | None = None
    """The array of an image's level, shaped like ours but for axes of length 1."""
    sizes: Sequence[Mapping[str, float]] = ()
    """Per image: µm or s per voxel by axis, as far as the library says."""
    lossy: float = 0.0
    """By how much decoders may differ."""
    names: Sequence[Sequence[str]] = field(default_factory=list)
    """Per image: names of channels."""

    def array(self, image: int, level: int, raster: Raster) -> np.ndarray:
        """Raises `NotTold`."""
        if self.find is None:
            raise NotTold(self.library or "no other library here reads it")
        try:
            return self.find(image, level, raster)
        except NotTold:
            raise
        except Exception as error:
            raise NotTold(_clean(f"{self.library} fails: {type(error).__name__}: {error}")) from error

    def tolerance(self, raster: Raster) -> float:
        """How far apart numbers may be."""
        if raster.spec.dtype.kind == "f":
            return max(self.lossy, 1e-5 * max(1.0, float(np.nanmax(np.abs(voxels(raster, 0)), initial=0))))
        return self.lossy

    def metadata(self, image: int, spec: Spec) -> str:
        """``equal``, ``differ: …`` or a dash."""
        wrong, same = [], False
        for axis, size in (self.sizes[image] if image < len(self.sizes) else {}).items():
            i = spec.axis(axis)
            if i is None or not size or not math.isfinite(size):
                continue
            ours = spec.levels[0].scale[i] if spec.axes[i].unit else None
            if ours is None or not math.isclose(ours, size, rel_tol=2e-4):
                wrong.append(f"{axis} {ours}, not {size}")
            same = True
        if image < len(self.names) and self.names[image]:
            ours_named = [c.name for c in spec.channels]
            if ours_named != list(self.names[image]):
                wrong.append(f"channels {ours_named}, not {list(self.names[image])}")
            same = True
        return "differ: " + "; ".join(wrong) if wrong else "equal" if same else "-"


def ask(reader: str, path: Path, rasters: Sequence[Raster]) -> Told:
    """The library for files of this reader."""
    for tests in (REPOSITORY / "tests" / "readers",):
        if str(tests) not in sys.path:
            sys.path.append(str(tests))
    asked = ORACLES.get(reader, _planes)
    try:
        return asked(path, rasters)
    except Exception as error:
        return Told(_clean(f"{asked.__name__.strip('_')}: {type(error).__name__}: {error}"))


def _clean(text: str) -> str:
    """Without where the corpus lies on this machine."""
    return re.sub(r"/[^\"' ]*/", "", text)[:120]


def ordered(array: np.ndarray, axes: str) -> np.ndarray:
    """``array``, whose dimensions are called ``axes``, in our order; letters beyond ours (s: samples) go with c."""
    rank = {a: i for i, a in enumerate("tczyx")} | {"s": 1.5, "m": 0.2, "p": 0.1}
    order = sorted(range(array.ndim), key=lambda k: rank[axes[k]])
    return np.transpose(array, order)


def matched(candidates: Sequence[tuple[str, np.ndarray]], raster: Raster, level: int) -> np.ndarray:
    """The array among ``candidates`` that equals ours; else one of its size. One axis may stand elsewhere: channels."""
    found = voxels(raster, level)
    squeezed = found.squeeze()
    second = None
    for _, array in candidates:
        if array.size != found.size or array.dtype.kind not in "biuf":
            continue
        plain = array.squeeze()
        for order in _moves(plain.ndim):
            turned = plain.transpose(order)
            if turned.shape != squeezed.shape:
                continue
            if np.array_equal(turned, squeezed, equal_nan=turned.dtype.kind == "f"):
                return turned
            second = turned if second is None else second
    if second is None:
        raise NotTold(f"none of {len(candidates)} arrays has this shape")
    return second


def _moves(ndim: int) -> list[tuple[int, ...]]:
    every = list(range(ndim))
    out = [tuple(every)]
    for k in every:
        rest = [a for a in every if a != k]
        out += [(*rest[:i], k, *rest[i:]) for i in range(ndim)]
    return list(dict.fromkeys(out))


def _tiff(path: Path, rasters: Sequence[Raster]) -> Told:
    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        if path.suffix.lower() in (".ome", ".xml"):
            raise NotTold("tifffile does not follow companion files")
        return by_tifffile(path, raster, image, level, len(rasters))

    return Told("tifffile", find, *_ome_sizes(path))


def _ome_sizes(path: Path) -> tuple[list[dict[str, float]]]:
    """Voxel sizes by ome-types, where there is OME-XML with units of length."""
    import ome_types
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            text = tif.ome_metadata
        images = ome_types.from_xml(text).images if text else []
    except Exception:
        return ([],)
    out = []
    for image in images:
        sizes = {}
        for axis in "xyz":
            size = getattr(image.pixels, f"physical_size_{axis}_quantity", None)
            value = getattr(image.pixels, f"physical_size_{axis}")
            unit = getattr(image.pixels, f"physical_size_{axis}_unit").value
            factor = {"µm": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}.get(unit)
            if value and factor:
                sizes[axis] = value * factor
            del size
        out.append(sizes)
    return (out,)


def _nibabel(path: Path, rasters: Sequence[Raster]) -> Told:
    import nibabel

    image = nibabel.load(path)
    data = np.asanyarray(image.dataobj)
    minc = path.suffix.lower() == ".mnc"
    axes = "xyztcmp"[: data.ndim]
    if minc:
        axes = "tzyx"[-data.ndim :]
    if data.dtype.fields is not None:
        data = np.stack([data[name] for name in data.dtype.names], axis=-1)
        axes = axes[: data.ndim - 1] + "s"
    array = ordered(data, axes)

    def find(number: int, level: int, raster: Raster) -> np.ndarray:
        if len(rasters) > 1:
            return matched([("", part) for part in (array, *array)], raster, level)
        return array

    sizes: dict[str, float] = {}
    units = getattr(image.header, "get_xyzt_units", lambda: ("mm", "sec"))()
    space = {"mm": 1e3, "micron": 1.0, "meter": 1e6}.get(units[0])
    time = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(units[1])
    named = axes.replace("t", "-") if minc else "xyz" if path.suffix.lower() in (".mgh", ".mgz") else "xyzt"
    for axis, zoom in zip(named, map(float, image.header.get_zooms()), strict=False):
        factor = time if axis == "t" else space if axis in "xyz" else None
        if factor and zoom > 0:
            sizes[axis] = zoom * factor
    return Told("nibabel", find, [sizes] * len(rasters))


def _mrc(path: Path, rasters: Sequence[Raster]) -> Told:
    import mrcfile

    with mrcfile.open(path, permissive=True) as mrc:
        data = np.array(mrc.data)
        size = {a: float(getattr(mrc.voxel_size, a)) * 1e-4 for a in "xyz"}
    return Told("mrcfile", lambda *_: data, [size])


def _nrrd(path: Path, rasters: Sequence[Raster]) -> Told:
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    return _itk(image, "SimpleITK")


def _itk(image, library: str) -> Told:
    import SimpleITK

    data = SimpleITK.GetArrayFromImage(image)
    axes = "tzyx"[-image.GetDimension() :] + ("c" if image.GetNumberOfComponentsPerPixel() > 1 else "")
    return Told(library, lambda *_: ordered(data, axes))


def _npy(path: Path, rasters: Sequence[Raster]) -> Told:
    data = np.load(path, allow_pickle=False)
    return Told("numpy", lambda i, level, raster: matched([("", data)], raster, level))


def _pictures(path: Path, rasters: Sequence[Raster]) -> Told:
    import tensorstore

    if rasters[0].spec.dtype.itemsize == 2 and path.suffix.lower() in (".png", ".avif"):
        import cv2

        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        shown = image[..., [2, 1, 0, 3][: image.shape[-1]]] if image.ndim == 3 else image
        return Told(
            "OpenCV", lambda *_: ordered(shown, "yxc"[: shown.ndim]), lossy=3.0 if "avif" in path.suffix else 0.0
        )

    driver = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".bmp": "bmp", ".webp": "webp", ".avif": "avif"}.get(
        path.suffix.lower()
    )
    if driver:
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}}
        data = tensorstore.open(spec).result().read().result()
        return Told(
            "tensorstore", lambda *_: ordered(np.asarray(data), "yxc"[: data.ndim]), lossy=3.0 * (driver != "png")
        )
    import glymur

    jp2 = glymur.Jp2k(str(path))

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        data = np.asarray(jp2[:: 2**level, :: 2**level] if level else jp2[:])
        return ordered(data, "yxc"[: data.ndim])

    # OpenJPEG 2.5.0, which Debian has, rounds streams of several layers otherwise than its successors do.
    return Told("glymur", find, lossy=64.0 if rasters[0].spec.dtype.itemsize == 2 else 1.0)


def _czi(path: Path, rasters: Sequence[Raster]) -> Told:
    from test_czi import from_libczi

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        if level:
            raise NotTold("libCZI scales its own levels")
        return from_libczi(path, raster, image if len(rasters) > 1 else None)

    return Told("pylibCZIrw", find)


def _nd2(path: Path, rasters: Sequence[Raster]) -> Told:
    import nd2

    with nd2.ND2File(path) as file:
        data, axes = file.asarray(), "".join(file.sizes).lower()
        size = file.voxel_size()
        names = [c.channel.name for c in file.metadata.channels]
        positions = file.sizes.get("P", 1)

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        if positions > 1:
            at = axes.index("p")
            return ordered(data.take(image, at), axes.replace("p", ""))
        return ordered(data, axes)

    sizes = {a: float(getattr(size, a)) for a in "xy"}
    return Told("nd2", find, [sizes] * len(rasters), names=[names] * len(rasters))


def _lif(path: Path, rasters: Sequence[Raster]) -> Told:
    import liffile

    with liffile.LifFile(path) as file:
        arrays = [(image.asarray(), "".join(image.dims).lower()) for image in file.images]
    return Told("liffile", lambda i, level, raster: matched([("", a) for a, _ in arrays], raster, level))


def _oif(path: Path, rasters: Sequence[Raster]) -> Told:
    import oiffile

    with oiffile.OifFile(path) as file:
        series = file.series[0]
        data = file.asarray()
        axes = series.axes.lower() + ("yx" if len(series.axes) == data.ndim - 2 else "")
    return Told("oiffile", lambda *_: ordered(data, axes))


def _dv(path: Path, rasters: Sequence[Raster]) -> Told:
    import mrc

    data = np.array(mrc.imread(str(path)))
    return Told("mrc", lambda i, level, raster: matched([("", data)], raster, level))


def _dm(path: Path, rasters: Sequence[Raster]) -> Told:
    from nionswift_plugin.DM_IO import dm3_image_utils

    with path.open("rb") as file:
        data = np.asarray(dm3_image_utils.load_image(file).data)
    return Told("nionswift", lambda i, level, raster: matched([("", data)], raster, level))


def _hdf5(path: Path, rasters: Sequence[Raster]) -> Told:
    import h5py

    source = next((Path(f.source.path) for f in rasters[0].files if h5py.is_hdf5(f.source.path)), path)
    arrays: list[tuple[str, np.ndarray]] = []

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim >= 2 and node.dtype.kind in "biuf":
            arrays.append((name, node[()]))

    with h5py.File(source, "r") as file:
        file.visititems(visit)

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        try:
            return matched(arrays, raster, level)
        except NotTold:
            return _assembled(arrays, raster, level)

    return Told("h5py", find)


def _assembled(arrays: Sequence[tuple[str, np.ndarray]], raster: Raster, level: int) -> np.ndarray:
    """Time points and channels that are data sets of their own, padded at their ends: BigDataViewer and Imaris."""
    shape = dict(zip(raster.spec.names, raster.spec.levels[level].shape, strict=True))
    inner = tuple(shape.get(a, 1) for a in "zyx")
    found = []
    for name, array in arrays:
        digits = [int("".join(filter(str.isdigit, part)) or 0) for part in name.split("/")]
        mine = f"/{level}/" in f"/{name}/" or f"ResolutionLevel {level}/" in name
        if array.ndim == 3 and mine and all(a >= b for a, b in zip(array.shape, inner, strict=True)):
            found.append((digits, array[tuple(slice(n) for n in inner)]))
    count = shape.get("t", 1) * shape.get("c", 1)
    if len(found) != count:
        raise NotTold(f"{len(found)} data sets for {count} volumes")
    return np.stack([array for _, array in sorted(found, key=lambda item: item[0])])


def _zarr(path: Path, rasters: Sequence[Raster]) -> Told:
    import zarr

    arrays: list[tuple[str, np.ndarray]] = []
    tops = {Path(f.source.path) for raster in rasters for f in raster.files} | {path}
    folders = sorted({p if p.is_dir() else p.parent for p in tops})
    try:
        for folder in folders:
            if (folder / ".zarray").is_file() or (folder / "zarr.json").is_file():
                node = zarr.open(store=str(folder), mode="r")
                if isinstance(node, zarr.Array):
                    arrays.append((str(folder), np.asarray(node[...])))
                else:
                    members = node.members(max_depth=None)
                    arrays += [(key, np.asarray(a[...])) for key, a in members if isinstance(a, zarr.Array)]
        library = "zarr-python"
    except (TypeError, ValueError, KeyError, NotImplementedError):
        arrays, library = [], ""
    if not arrays:
        library, arrays = "tensorstore", [found for top in folders for found in _by_tensorstore(top)]
    return Told(library, lambda i, level, raster: matched(arrays, raster, level))


def _by_tensorstore(top: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays of Zarr below a folder."""
    import tensorstore

    for name, driver in ((".zarray", "zarr"), ("zarr.json", "zarr3")):
        for about in sorted(top.rglob(name)):
            spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{about.parent}/"}}
            try:
                yield str(about.parent), np.asarray(tensorstore.open(spec, open=True).result().read().result())
            except ValueError:
                continue


def _tensorstore(driver: str) -> Callable[[Path, Sequence[Raster]], Told]:
    def asked(path: Path, rasters: Sequence[Raster]) -> Told:
        import json

        import tensorstore

        arrays: list[tuple[str, np.ndarray]] = []
        specs: list[dict[str, object]] = []
        if driver == "n5":
            folders = sorted({p.parent for p in path.parent.rglob("attributes.json")})
            specs = [{"kvstore": {"driver": "file", "path": f"{f}/"}} for f in folders]
        else:
            scales = json.loads(path.read_text()).get("scales", [])
            place = {"kvstore": {"driver": "file", "path": f"{path.parent}/"}}
            specs = [{**place, "scale_index": k} for k in range(len(scales))]
        for spec in specs:
            try:
                array = np.asarray(
                    tensorstore.open({"driver": driver, **spec}, open=True, read=True).result().read().result()
                )
            except ValueError:
                continue
            arrays.append(("", array.transpose()))
        return Told("tensorstore", lambda i, level, raster: matched(arrays, raster, level))

    return asked


def _dicom(path: Path, rasters: Sequence[Raster]) -> Told:
    import pydicom
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    about = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    if str(about.get("Modality")) == "SM":
        return _slide(path, rasters)
    members = [[f.source.path for f in r.files if Path(f.source.path).is_file()] for r in rasters]
    if len(rasters) == 1 and len(members[0]) > 1:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path.parent)))
        return _itk(reader.Execute(), "SimpleITK")
    from dicom_tools import reference

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        found = {name: reference(name) for name in members[image]}
        found = {name: _by_itk(name) if data is None else data for name, data in found.items()}
        known = {name: data for name, data in found.items() if data is not None}
        if not known:
            raise NotTold("pydicom cannot read it")
        array = matched(list(known.items()), raster, level)
        if len(known) < len(found) and not np.array_equal(array.ravel(), voxels(raster, level).ravel()):
            raise NotTold("pydicom cannot read it")
        return array

    codec = str(rasters[0].spec.attrs.get("codec", ""))
    spacing = about.get("PixelSpacing")
    sizes = {"y": float(spacing[0]) * 1e3, "x": float(spacing[1]) * 1e3} if spacing else {}
    return Told("pydicom", find, [sizes], lossy=3.0 if "jpeg" in codec and "lossless" not in codec else 0.0)


def _by_itk(path: str) -> np.ndarray | None:
    import SimpleITK

    try:
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    except RuntimeError:
        return None


def _slide(path: Path, rasters: Sequence[Raster]) -> Told:
    import pydicom

    ds = pydicom.dcmread(path)
    frames = ds.pixel_array
    rows, columns = ds.TotalPixelMatrixRows, ds.TotalPixelMatrixColumns
    height, width = ds.Rows, ds.Columns
    across = -(-columns // width)
    whole = np.zeros((-(-rows // height) * height, across * width, frames.shape[-1]), frames.dtype)
    groups = ds.get("PerFrameFunctionalGroupsSequence")
    for k, frame in enumerate(frames):
        y, x = (k // across) * height, (k % across) * width
        if groups and "PlanePositionSlideSequence" in groups[k]:
            where = groups[k].PlanePositionSlideSequence[0]
            y, x = where.RowPositionInTotalImagePixelMatrix - 1, where.ColumnPositionInTotalImagePixelMatrix - 1
        whole[y : y + height, x : x + width] = frame
    return Told("pydicom", lambda *_: np.moveaxis(whole[:rows, :columns], -1, 0))


def _openslide(path: Path, rasters: Sequence[Raster]) -> Told:
    import openslide

    slide = openslide.OpenSlide(str(path))

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        array = np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))
        return np.moveaxis(array, -1, 0)[: raster.spec.length("c")]

    return Told("openslide", find)


def _planes(path: Path, rasters: Sequence[Raster]) -> Told:
    """Folders of planes: each file by tifffile or imageio, in the order in which the raster names them."""
    import tifffile

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        names = [f.source.path for f in raster.files if Path(f.source.path).suffix.lower() in (".tif", ".tiff")]
        planes = [(n, tifffile.imread(n)) for n in sorted(names)]
        shape = raster.spec.levels[0].shape
        if level == 0 and sum(a.size for _, a in planes) == math.prod(shape):
            stack = np.stack([a for _, a in planes])
            outer = range(len(shape) - 2)
            orders = [(*order, len(shape) - 2, len(shape) - 1) for order in permutations(outer)]
            turned = [stack.reshape([shape[a] for a in order]).transpose(np.argsort(order)) for order in orders]
            return matched([("", array) for array in turned], raster, 0)
        raise NotTold("planes are missing or of several sizes")

    return Told("tifffile", find)


ORACLES: Mapping[str, Callable[[Path, Sequence[Raster]], Told]] = {
    "tiff": _tiff,
    "nifti": _nibabel,
    "analyze": _nibabel,
    "mgh": _nibabel,
    "afni": _nibabel,
    "minc": _nibabel,
    "parrec": _nibabel,
    "nibabel": _nibabel,
    "mrc": _mrc,
    "nrrd": _nrrd,
    "metaimage": _nrrd,
    "npy": _npy,
    "pictures": _pictures,
    "czi": _czi,
    "nd2": _nd2,
    "lif": _lif,
    "oif": _oif,
    "oib": _oif,
    "deltavision": _dv,
    "dm": _dm,
    "hdf5": _hdf5,
    "bdv": _hdf5,
    "imaris": _hdf5,
    "zarr": _zarr,
    "n5": _tensorstore("n5"),
    "precomputed": _tensorstore("neuroglancer_precomputed"),
    "dicom": _dicom,
    "openslide": _openslide,
}
"""By name of the reader. Others are compared as folders of planes where they are made of TIFFs."""

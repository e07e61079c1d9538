"""What independent libraries read from the same files: arrays, voxel sizes, channel names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from conformance.formats.containers import bdv, hdf5, imaris, n5, precomputed, zarr
from conformance.formats.corpus import REPOSITORY, by_tifffile
from conformance.formats.series import dicom, itk, planes
from conformance.formats.told import STORED, NotTold, Told, ordered, stored
from s3facade.core.protocols import Raster

# Some of the libraries are asked as the tests of the readers ask them.
sys.path.append(str(REPOSITORY / "tests" / "readers"))


def ask(reader: str, path: Path, rasters: Sequence[Raster]) -> Told:
    """The library for files of this reader."""
    return ORACLES.get(reader, planes)(path, rasters)


def _tiff(path: Path, rasters: Sequence[Raster]) -> Told:
    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        if path.suffix.lower() in (".ome", ".xml"):
            raise NotTold("tifffile does not follow companion files")
        return by_tifffile(path, raster, image, level, len(rasters))

    return Told("tifffile", find, *_ome_sizes(path))


def _ome_sizes(path: Path) -> tuple[list[dict[str, float]]]:
    """Voxel sizes by ome-types, where there is OME-XML with units of length."""
    import ome_types
    import pydantic
    import tifffile

    with tifffile.TiffFile(path) as tif:
        text = tif.ome_metadata
    try:
        images = ome_types.from_xml(text).images if text else []
    except pydantic.ValidationError:  # documents against the schema, such as Leica's
        return ([],)
    out = []
    for image in images:
        sizes = {}
        for axis in "xyz":
            value = getattr(image.pixels, f"physical_size_{axis}")
            unit = getattr(image.pixels, f"physical_size_{axis}_unit").value
            factor = {"µm": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}.get(unit)
            if value and factor:
                sizes[axis] = value * factor
        out.append(sizes)
    return (out,)


def _nibabel(path: Path, rasters: Sequence[Raster]) -> Told:
    import nibabel

    image = nibabel.load(path)
    data = np.asanyarray(image.dataobj)
    minc = path.suffix.lower() == ".mnc"
    axes = "tzyx"[-data.ndim :] if minc else "xyztc"[: data.ndim]
    if data.dtype.fields is not None:
        data = np.stack([data[name] for name in data.dtype.names], axis=-1)
        axes += "s"

    def find(number: int, level: int, raster: Raster) -> np.ndarray:
        if len(rasters) > 1:
            raise NotTold("nibabel does not tell which volumes are images of their own")
        return ordered(data, axes, raster)

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
    return Told("mrcfile", lambda i, level, raster: ordered(data, "tzyx"[-data.ndim :], raster), [size])


def _nrrd(path: Path, rasters: Sequence[Raster]) -> Told:
    import SimpleITK

    return itk(SimpleITK.ReadImage(str(path)))


def _npy(path: Path, rasters: Sequence[Raster]) -> Told:
    data = np.load(path, allow_pickle=False)
    return Told("numpy", lambda i, level, raster: stored(data, raster), order=STORED)


def _pictures(path: Path, rasters: Sequence[Raster]) -> Told:
    if path.suffix.lower() in (".jp2", ".j2k"):
        return _jpeg2000(path)
    if rasters[0].spec.dtype.itemsize == 2 and path.suffix.lower() in (".png", ".avif"):
        import cv2

        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        shown = image[..., [2, 1, 0, 3][: image.shape[-1]]] if image.ndim == 3 else image
        return Told("OpenCV", _yxc(shown), lossy=3.0 if "avif" in path.suffix else 0.0)
    import tensorstore

    driver = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".bmp": "bmp", ".webp": "webp", ".avif": "avif"}
    kind = driver[path.suffix.lower()]
    spec = {"driver": kind, "kvstore": {"driver": "file", "path": str(path)}}
    data = np.asarray(tensorstore.open(spec).result().read().result())
    return Told("tensorstore", _yxc(data), lossy=3.0 * (kind not in ("png", "bmp")))


def _jpeg2000(path: Path) -> Told:
    import glymur

    jp2 = glymur.Jp2k(str(path))
    style = next(s for s in jp2.get_codestream().segment if s.marker_id == "COD")
    reversible = style.xform == glymur.core.WAVELET_XFORM_5X3_REVERSIBLE

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        data = np.asarray(jp2[:: 2**level, :: 2**level] if level else jp2[:])
        return ordered(data, "yxc"[: data.ndim], raster, level)

    # What was packed without loss has one right answer; of the other wavelet the last bit is the decoder's.
    return Told("glymur", find, lossy=0.0 if reversible else 1.0)


def _yxc(data: np.ndarray) -> Callable[[int, int, Raster], np.ndarray]:
    return lambda image, level, raster: ordered(data, "yxc"[: data.ndim], raster, level)


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
            return ordered(data.take(image, axes.index("p")), axes.replace("p", ""), raster)
        return ordered(data, axes, raster)

    sizes = {a: float(getattr(size, a)) for a in "xy"}
    return Told("nd2", find, [sizes] * len(rasters), names=[names] * len(rasters))


def _lif(path: Path, rasters: Sequence[Raster]) -> Told:
    import liffile

    with liffile.LifFile(path) as file:
        arrays = [(image.asarray(), "".join(image.dims).lower()) for image in file.images]

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        data, axes = arrays[image]
        return ordered(data, axes, raster)

    return Told("liffile", find)


def _oif(path: Path, rasters: Sequence[Raster]) -> Told:
    import oiffile

    with oiffile.OifFile(path) as file:
        series = file.series[0]
        data = file.asarray()
        axes = series.axes.lower() + ("yx" if len(series.axes) == data.ndim - 2 else "")
    return Told("oiffile", lambda i, level, raster: ordered(data, axes, raster))


def _dv(path: Path, rasters: Sequence[Raster]) -> Told:
    import mrc

    with mrc.DVFile(path) as file:
        data, axes = np.array(file.asarray(squeeze=False)), file.axes.lower()
    return Told("mrc", lambda i, level, raster: ordered(data, axes, raster))


def _dm(path: Path, rasters: Sequence[Raster]) -> Told:
    from nionswift_plugin.DM_IO import dm3_image_utils

    with path.open("rb") as file:
        found = dm3_image_utils.load_image(file)
    about, data = found.data_descriptor, np.asarray(found.data)
    # A spectrum at each place of a line or plane: what it is measured at is a channel.
    places = about.collection_dimension_count + about.is_sequence
    inner = "yx" if about.datum_dimension_count == 2 else "c"
    axes = "tzyx"[-places - (2 if inner == "yx" else 0) :][:places] + inner
    return Told("nionswift", lambda i, level, raster: ordered(data, axes, raster))


def _openslide(path: Path, rasters: Sequence[Raster]) -> Told:
    import openslide

    slide = openslide.OpenSlide(str(path))

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        array = np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))
        return ordered(array[..., : raster.spec.length("c")], "yxc", raster, level)

    return Told("openslide", find)


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
    "hdf5": hdf5,
    "bdv": bdv,
    "imaris": imaris,
    "zarr": zarr,
    "n5": n5,
    "precomputed": precomputed,
    "dicom": dicom,
    "openslide": _openslide,
}
"""By name of the reader. Others are compared as folders of planes where they are made of TIFFs."""

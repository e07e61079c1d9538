"""DICOM and folders of planes by other libraries, and where each plane belongs by what its file or its name says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from conformance.formats.told import NotTold, Told, ordered
from s3facade.core.protocols import Raster


def itk(image: Any) -> Told:
    """An image of SimpleITK."""
    import SimpleITK

    data = SimpleITK.GetArrayFromImage(image)
    axes = "tzyx"[-image.GetDimension() :] + ("c" if image.GetNumberOfComponentsPerPixel() > 1 else "")
    return Told("SimpleITK", lambda i, level, raster: ordered(data, axes, raster))


def dicom(path: Path, rasters: Sequence[Raster]) -> Told:
    """A slide, a series of planes (in the order of their positions, by GDCM), or files that are images each."""
    import pydicom
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    about = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    if str(about.get("Modality")) == "SM":
        return _slide(path)
    members = [m for m in dict.fromkeys(f.source.path for f in rasters[0].files) if Path(m).is_file()]
    if len(rasters) == 1 and len(members) > 1:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path.parent)))
        return itk(reader.Execute())
    # The file that was asked for is the first image, others of its series follow.
    mine = [str(path), *(m for m in members if m != str(path))]

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        if image >= len(mine) or len(mine) != len(rasters):
            raise NotTold("the files hold other images")
        return _file(mine[image], raster)

    codec = str(rasters[0].spec.attrs.get("codec", ""))
    spacing = about.get("PixelSpacing")
    sizes = {"y": float(spacing[0]) * 1e3, "x": float(spacing[1]) * 1e3} if spacing else {}
    return Told("pydicom", find, [sizes], lossy=3.0 if "jpeg" in codec and "lossless" not in codec else 0.0)


def _file(name: str, raster: Raster) -> np.ndarray:
    import pydicom
    import SimpleITK
    from dicom_tools import reference

    data = reference(name)
    if data is None:
        try:
            data = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(name))
        except RuntimeError as error:
            raise NotTold("pydicom cannot read it") from error
    about = pydicom.dcmread(name, stop_before_pixels=True, force=True)
    coloured = about.SamplesPerPixel > 1 or about.PhotometricInterpretation == "PALETTE COLOR"
    axes = "yxs" if coloured else "yx"
    return ordered(data, "f" * (data.ndim - len(axes)) + axes, raster)


def _slide(path: Path) -> Told:
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
    return Told("pydicom", lambda i, level, raster: ordered(whole[:rows, :columns], "yxs", raster))


def planes(path: Path, rasters: Sequence[Raster]) -> Told:
    """A plate of ImageXpress: each image a field, its TIFFs by tifffile, at the places that their names tell."""
    import tifffile

    found: dict[tuple[str, int], dict[tuple[int, int, int], Path]] = {}
    for name in sorted(path.parent.rglob("*.[tT][iI][fF]")):
        told = re.search(r"_(?P<well>[A-P]\d\d)_s(?P<s>\d+)_w(?P<c>\d)", name.name)
        if told is None:
            raise NotTold("names of planes that say nothing")
        outer = {k: re.search(rf"/{k}_(\d+)/", str(name)) for k in ("TimePoint", "ZStep")}
        t, z = (int(m[1]) if m else 0 for m in outer.values())
        found.setdefault((told["well"], int(told["s"])), {})[t, int(told["c"]), z] = name
    fields = sorted(found.items())

    def find(image: int, level: int, raster: Raster) -> np.ndarray:
        if level or image >= len(fields):
            raise NotTold(f"{len(fields)} fields for image {image}, level {level}")
        files = fields[image][1]
        t, c, z = (sorted({at[k] for at in files}) for k in range(3))
        if len(files) != len(t) * len(c) * len(z):
            raise NotTold("planes are missing")
        stack = np.stack([tifffile.imread(files[at]) for at in product(t, c, z)])
        return ordered(stack.reshape(len(t), len(c), len(z), *stack.shape[1:]), "tczyx", raster)

    return Told("tifffile", find)

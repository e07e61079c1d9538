"""DICOM files made and read by pydicom, for the tests."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_rescale, pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from s3facade.readers.dicom.reader import DicomReader
from s3facade.testing.reading import Watched

DATA = Path(pydicom.__file__).parent / "data" / "test_files"


def opened(path, **options):
    return DicomReader().open(Watched.open(path), options)


def reference(path):
    """Values by pydicom and its plug-ins, or None where they cannot read it; colours last."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(path, force=True)
            found = pixel_array(ds)
        except (AttributeError, ValueError, RuntimeError, NotImplementedError, KeyError):
            return None
        if ds.PhotometricInterpretation == "PALETTE COLOR":
            return apply_color_lut(found, ds)
        if "DoseGridScaling" in ds:
            return found * float(ds.DoseGridScaling)
        return apply_rescale(found, ds) if "RescaleSlope" in ds else found


def item(**fields):
    made = Dataset()
    for name, value in fields.items():
        setattr(
            made,
            name,
            Sequence(value) if isinstance(value, list) and value and isinstance(value[0], Dataset) else value,
        )
    return made


def write(path, array, *, syntax=ExplicitVRLittleEndian, preamble=True, fragments=None, **fields):
    """An image of its own; ``fields`` by keyword replace what follows from the array."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = fields.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    array = np.asarray(array)
    colour = fields.get("SamplesPerPixel", 1) == 3
    plane = array.shape[-3:-1] if colour else array.shape[-2:]
    frames = array.size // (plane[0] * plane[1] * (3 if colour else 1))
    given = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "MR",
        "PatientName": "Doe^Jane",
        "PatientID": "secret-17",
        "Rows": plane[0],
        "Columns": plane[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": 8 * array.dtype.itemsize,
        "BitsStored": 8 * array.dtype.itemsize,
        "HighBit": 8 * array.dtype.itemsize - 1,
        "PixelRepresentation": int(array.dtype.kind == "i"),
        **({"NumberOfFrames": frames} if frames > 1 else {}),
        **({"PlanarConfiguration": 0} if colour else {}),
        **fields,
    }
    for name, value in given.items():
        if value is not None:
            setattr(ds, name, value)
    if fragments is not None:
        ds.PixelData = fragments if isinstance(fragments, bytes) else encapsulate(fragments)
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    else:
        data = array.tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
        ds["PixelData"].VR = "OW" if array.dtype.itemsize > 1 else "OB"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(path, ds, enforce_file_format=preamble)
    return path


def series(
    folder, volume, *, uid=None, step=(0.0, 0.0, 2.5), orientation=(1, 0, 0, 0, 1, 0), name="IM{:04d}", **fields
):
    """A classic series, stored in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid()
    for number in np.random.default_rng(3).permutation(len(volume)):
        position = [10 + step[0] * number, 20 + step[1] * number, -30 + step[2] * number]
        own = {
            k: v[number] if isinstance(v, list) and len(v) == len(volume) and k[0].isupper() else v
            for k, v in fields.items()
        }
        write(
            folder / name.format(number),
            volume[number],
            **{
                "SeriesInstanceUID": uid,
                "InstanceNumber": int(number) + 1,
                "ImagePositionPatient": position,
                "ImageOrientationPatient": list(orientation),
                "PixelSpacing": [0.5, 0.25],
                "SliceThickness": 2,
                **own,
            },
        )
    return uid

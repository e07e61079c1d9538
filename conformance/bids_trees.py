"""Folders for the tests of BIDS: a scanner's export under names of its own, and a data set that exists already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

README = "Images that were computed for tests, of two subjects that there never were. They show noise, nothing else.\n"
ASL = {
    "ArterialSpinLabelingType": "PCASL",
    "PostLabelingDelay": 1.8,
    "LabelingDuration": 1.8,
    "M0Type": "Absent",
    "BackgroundSuppression": False,
    "RepetitionTimePreparation": 4.0,
    "MagneticFieldStrength": 3,
    "EchoTime": 0.01,
    "TotalAcquiredPairs": 1,
    "MRAcquisitionType": "3D",
    "FlipAngle": 90,
}
PET = {
    "Manufacturer": "Siemens",
    "ManufacturersModelName": "Biograph",
    "Units": "Bq/mL",
    "TracerName": "FDG",
    "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 80,
    "InjectedRadioactivityUnits": "MBq",
    "InjectedMass": 1,
    "InjectedMassUnits": "ug",
    "SpecificRadioactivity": 80,
    "SpecificRadioactivityUnits": "MBq/ug",
    "ModeOfAdministration": "bolus",
    "TimeZero": "10:00:00",
    "ScanStart": 0,
    "InjectionStart": 0,
    "FrameTimesStart": [0, 60],
    "FrameDuration": [60, 60],
    "AcquisitionMode": "list mode",
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0,
    "ReconMethodName": "OSEM",
    "ReconMethodParameterLabels": ["iterations"],
    "ReconMethodParameterUnits": ["none"],
    "ReconMethodParameterValues": [3],
    "ReconFilterType": "none",
    "AttenuationCorrection": "CT",
}


def volume(path: Path, shape: tuple[int, ...] = (8, 9, 7), dtype: str = "i2", seconds: float | None = None) -> Any:
    """Write a NIfTI file of noise; ``seconds`` between volumes, if there are several.

    Returns:
        The image.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(len(path.name)).integers(0, 200, shape).astype(dtype)
    turn = np.array([[1.99, -0.1, 0.1, -8], [0.1, 1.99, 0.1, -9], [-0.1, -0.1, 2.49, 4], [0, 0, 0, 1]])
    image = nib.Nifti1Image(array, turn)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(turn, 1)
    image.set_qform(turn, 1)
    if seconds is not None:
        image.header["pixdim"][4] = seconds
    nib.save(image, path)
    return nib.load(path)


def export(root: Path) -> dict[str, Any]:
    """A folder as a scanner's operator leaves it. Returns images by the stem of their BIDS names."""
    made = {}
    for person, label in (("Zoë B.", "ZoeB"), ("pat_02", "pat02")):
        folder = root / person / "2024-03-01"
        made[f"sub-{label}/anat/sub-{label}_T1w"] = volume(folder / "t1 mprage.nii.gz")
        _write(folder / "t1 mprage.json", {"Manufacturer": "Siemens", "MagneticFieldStrength": 3, "EchoTime": 0.003})
        bold = volume(folder / "fmri rest 1.nii", (8, 9, 7, 5), seconds=2.0)
        made[f"sub-{label}/func/sub-{label}_task-rest_run-01_bold"] = bold
        _write(folder / "fmri rest 1.json", {"EchoTime": 0.03, "SliceTiming": [0.28 * n for n in range(7)]})
        (folder / "fmri rest 1_events.tsv").write_text("onset\tduration\n0.5\t1\n")
        made[f"sub-{label}/dwi/sub-{label}_dwi"] = volume(folder / "dti.nii.gz", (8, 9, 7, 4), seconds=8.0)
        (folder / "dti.bval").write_text("0 1000 1000 1000\n")
        (folder / "dti.bvec").write_text("0 1 0 0\n0 0 1 0\n0 0 0 1\n")
        made[f"sub-{label}/fmap/sub-{label}_phasediff"] = volume(folder / "fieldmap phase.nii.gz")
        _write(folder / "fieldmap phase.json", {"EchoTime1": 0.00492, "EchoTime2": 0.00738})
        made[f"sub-{label}/fmap/sub-{label}_magnitude1"] = volume(folder / "fieldmap mag.nii")
        made[f"sub-{label}/perf/sub-{label}_asl"] = volume(folder / "asl.nii.gz", (8, 9, 7, 2), seconds=4.0)
        _write(folder / "asl.json", ASL)
        (folder / "asl_aslcontext.tsv").write_text("volume_type\ncontrol\nlabel\n")
        made[f"sub-{label}/pet/sub-{label}_pet"] = volume(
            folder / "pet fdg.nii", (8, 9, 7, 2), dtype="f4", seconds=60.0
        )
        _write(folder / "pet fdg.json", PET)
        volume(folder / "scout.nii.gz")
    return made


def dataset(root: Path) -> None:
    """A BIDS data set of two subjects, with field maps that are for something, and a derivative."""
    about = {"Name": "Old", "BIDSVersion": "1.10.0", "DatasetType": "raw", "License": "CC0", "Authors": ["Doe J"]}
    _write(root / "dataset_description.json", about)
    _text(root / "README.md", README)
    _text(root / "participants.tsv", "participant_id\tage\nsub-01\t30\nsub-02\tn/a\n")
    _text(root / ".bidsignore", "/extra\n")
    _text(root / "extra/notes.txt", "one\n")
    _write(root / "task-rest_bold.json", {"TaskName": "rest", "RepetitionTime": 2.0})
    for n, sub in enumerate(("sub-01", "sub-02")):
        folder = root / sub
        volume(folder / f"anat/{sub}_T1w.nii.gz")
        _write(folder / f"anat/{sub}_T1w.json", {"Manufacturer": "Siemens"})
        volume(folder / f"func/{sub}_task-rest_bold.nii.gz", (8, 9, 7, 5), seconds=2.0)
        _text(folder / f"func/{sub}_task-rest_events.tsv", "onset\tduration\n1.0\t2.0\n")
        volume(folder / f"fmap/{sub}_phasediff.nii.gz")
        volume(folder / f"fmap/{sub}_magnitude1.nii.gz")
        bold = f"func/{sub}_task-rest_bold.nii.gz"
        intended: Any = [bold] if n else f"bids::{sub}/{bold}"
        _write(folder / f"fmap/{sub}_phasediff.json", {"EchoTime1": 0.004, "EchoTime2": 0.006, "IntendedFor": intended})
        rows = [f"anat/{sub}_T1w.nii.gz\t1900-01-01T10:00:00", f"{bold}\tn/a"]
        _text(folder / f"{sub}_scans.tsv", "\n".join(["filename\tacq_time", *rows, ""]))
    _derivative(root / "derivatives/prep")


def _derivative(root: Path) -> None:
    about = {"Name": "prep", "BIDSVersion": "1.10.0", "DatasetType": "derivative", "GeneratedBy": [{"Name": "prep"}]}
    _write(root / "dataset_description.json", {**about, "DatasetLinks": {"raw": "../.."}})
    _text(root / "README.md", README)
    stem = "sub-01/anat/sub-01_desc-preproc_T1w"
    volume(root / f"{stem}.nii.gz")
    _write(root / f"{stem}.json", {"SkullStripped": False, "Sources": ["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]})
    mask = "sub-01/anat/sub-01_desc-brain_mask"
    volume(root / f"{mask}.nii.gz", dtype="u1")
    _write(root / f"{mask}.json", {"Type": "Brain", "Sources": [f"bids::{stem}.nii.gz"]})


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _write(path: Path, fields: dict[str, Any]) -> None:
    _text(path, json.dumps(fields, indent=2))

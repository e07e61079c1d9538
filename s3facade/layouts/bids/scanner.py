"""What the header of a DICOM file says of a scan that BIDS has fields for (BIDS, MRI: common metadata fields)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s3facade.core.spec import Spec
from s3facade.layouts.bids.values import field, tidy

SAME = {
    "Manufacturer": "Manufacturer",
    "ManufacturerModelName": "ManufacturersModelName",
    "MagneticFieldStrength": "MagneticFieldStrength",
    "ReceiveCoilName": "ReceiveCoilName",
    "ScanningSequence": "ScanningSequence",
    "SequenceVariant": "SequenceVariant",
    "ScanOptions": "ScanOptions",
    "SequenceName": "SequenceName",
    "MRAcquisitionType": "MRAcquisitionType",
    "FlipAngle": "FlipAngle",
}
"""Fields by keyword of an element with the same values and units."""
SECONDS = {"EchoTime": "EchoTime", "InversionTime": "InversionTime"}
"""Fields in seconds by keyword of an element in milliseconds."""
TESLA = 30
"""No magnet of a scanner is stronger: larger numbers are of other units."""


def scanner(spec: Spec) -> dict[str, Any]:
    """Fields of a scan by magnetic resonance; nothing where the image is from no header of one."""
    header = spec.attrs.get("original")
    if not isinstance(header, Mapping) or header.get("Modality") != "MR":
        return {}
    found: dict[str, Any] = {name: header.get(keyword) for keyword, name in SAME.items()}
    versions = header.get("SoftwareVersions")
    found["SoftwareVersions"] = ", ".join(map(str, versions)) if isinstance(versions, list | tuple) else versions
    # Echoes and inversions of one series lie along c: no number is that of all of them.
    if spec.length("c") == 1:
        found |= {name: _seconds(header.get(keyword)) for keyword, name in SECONDS.items()}
    strength = found["MagneticFieldStrength"]
    if not isinstance(strength, int | float) or strength > TESLA:
        found["MagneticFieldStrength"] = None
    return {name: made for name, value in found.items() if (made := _made(name, value)) is not None}


def _seconds(value: object) -> float | None:
    return tidy(value / 1000) if isinstance(value, int | float) and value > 0 else None


def _made(name: str, value: object) -> Any:
    """The value, if it is one that BIDS has; what makers write into headers may be anything."""
    if value is None or value in ("", [], ()):
        return None
    try:
        return field(name, list(value) if isinstance(value, tuple) else value)
    except ValueError:
        return None

"""What microscopes and their programs write: Zeiss LSM, MetaMorph, Olympus, ScanImage, Micro-Manager, FEI, TVIPS."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np

from s3facade.core.spec import Channel
from s3facade.readers.facts import Facts
from s3facade.readers.ome_xml import duration, length, properties
from s3facade.readers.tiff.maker import days, known, number, objective, positive, sizes

_OLE = datetime(1899, 12, 30)  # noqa: DTZ001 - no zone is stated
_MOST_PLANES = 10_000
"""Planes of which times and positions are kept."""


def metamorph(page: Any) -> Facts:
    """MetaMorph's XML (metaseries): properties of a plane."""
    values = properties(page.description)
    scale = {}
    if values.get("spatial-calibration-state", "").lower() in ("on", "true"):
        for axis in "xy":
            size = length(values.get(f"spatial-calibration-{axis}"), values.get("spatial-calibration-units"))
            if size and size > 0:
                scale[axis] = size
    name = values.get("_IllumSetting_") or values.get("image-name")
    wave = positive(values.get("wavelength"))
    channel = Channel(name, emission=wave) if name or wave else None
    when = re.fullmatch(
        r"(\d{4})(\d\d)(\d\d) (\d\d:\d\d:\d\d)(?:\.\d*)?", values.get("acquisition-time-local", "").strip()
    )
    attrs = known(
        acquired="{}-{}-{}T{}".format(*when.groups()) if when else None,
        objective=objective(
            values.get("_MagSetting_"),
            na=values.get("_MagNA_"),
        ),
        original=dict(list(values.items())[:500]),
    )
    return Facts(scale, channels=(channel,) if channel else (), attrs=attrs)


def stk(tif: Any) -> Facts:
    """MetaMorph stacks: the UIC tags."""
    meta: dict[str, Any] = tif.stk_metadata or {}
    scale: dict[str, float] = {}
    if meta.get("SpatialCalibration", 1) and meta.get("CalibrationUnits"):
        unit = str(meta["CalibrationUnits"]).strip("\0 ")
        for axis in "xy":
            size = length(meta.get(f"{axis.upper()}Calibration"), unit)
            if size and size > 0:
                scale[axis] = size
    steps = np.atleast_1d(np.asarray(meta.get("ZDistance", ()), float))
    if len(steps) > 1 and (steps != 0).all() and float(np.ptp(steps)) <= 0.01 * abs(float(steps.mean())):
        scale["z"] = abs(float(steps.mean()))
    created = meta.get("DatetimeCreated")
    attrs: dict[str, object] = {}
    if created is not None and len(created):
        attrs["acquired"] = str(np.datetime_as_string(created[0], unit="ms"))
        seconds = ((created - created[0]) / np.timedelta64(1, "ms")).astype(float) / 1000
        if len(seconds) > 1 and seconds.any() and len(seconds) <= _MOST_PLANES:
            axis = "z" if "z" in scale else "t"
            places = [{"t": 0, "c": 0, "z": 0, axis: k} for k in range(len(seconds))]
            attrs["times"] = [{**p, "seconds": float(s)} for p, s in zip(places, seconds, strict=True)]
            if axis == "t" and (interval := regular(seconds)):
                scale["t"] = interval
    waves = np.atleast_1d(np.asarray(meta.get("Wavelengths", ()), float))[: int(meta.get("NumberPlanes", 1))]
    wave = float(waves[0]) if len(waves) and (waves == waves[0]).all() and waves[0] > 0 else None
    name = str(meta.get("Name") or "").strip("\0 ") or None
    channel = (Channel(name, emission=wave),) if wave or name else ()
    return Facts(scale, channels=channel, attrs=attrs)


def regular(seconds: Any) -> float | None:
    """Seconds between time points, if they are regular within 1 %."""
    steps = np.diff(np.asarray(seconds, float))
    mean = float(steps.mean()) if len(steps) else 0.0
    return mean if mean > 0 and float(np.abs(steps - mean).max()) <= 0.01 * mean else None


def lsm(tif: Any, page: Any) -> Facts:
    """Zeiss LSM: CZ_LSMINFO; lengths in metres."""
    meta: dict[str, Any] = tif.lsm_metadata or {}
    scale = sizes(**{a: positive(meta.get(f"VoxelSize{a.upper()}"), 1e6) for a in "xyz"})
    step = positive(meta.get("TimeIntervall")) or regular(meta.get("TimeStamps", ()))
    if step:
        scale["t"] = step
    scan: dict[str, Any] = meta.get("ScanInformation") or {}
    attrs = known(
        acquired=days(scan.get("Sample0time"), _OLE),
        objective=objective(scan.get("Objective")),
        original={k: v for k, v in scan.items() if isinstance(v, str | int | float) and v != ""},
    )
    if page.is_reduced:
        # pictures for a list of files; voxels of another size
        return Facts(channels=_lsm_channels(meta, scan))
    return Facts(scale, channels=_lsm_channels(meta, scan), attrs=attrs)


def _lsm_channels(meta: dict[str, Any], scan: dict[str, Any]) -> list[Channel]:
    colours = meta.get("ChannelColors") or {}
    names, tints = colours.get("ColorNames") or [], colours.get("Colors") or []
    count = int(meta.get("DimensionChannels", 0))
    found: list[tuple[str | None, float | None]] = []
    for track in scan.get("Tracks") or []:
        lines = [
            positive(light.get("Wavelength"))
            for light in track.get("IlluminationChannels") or []
            if light.get("Acquire")
        ]
        line = lines[0] if len(lines) == 1 else None
        found += [(c.get("ChannelName"), line) for c in track.get("DetectionChannels") or [] if c.get("Acquire")]
    channels = []
    for i in range(count if 0 < count <= 4096 else 0):
        name, line = found[i] if len(found) == count else (None, None)
        tint = tints[i] if i < len(tints) and len(tints[i]) >= 3 else None
        colour = "".join(f"{int(v) & 255:02X}" for v in tint[:3]) if tint is not None and any(tint[:3]) else None
        channels.append(Channel(str(names[i]) if i < len(names) else name, colour, excitation=line))
    return channels


def fluoview(tif: Any) -> Facts:
    """Olympus FluoView: one entry per dimension, with its unit."""
    scale: dict[str, float] = {}
    for name, _, _, resolution, unit in (tif.fluoview_metadata or {}).get("Dimensions") or ():
        axis = {"x": "x", "y": "y", "z": "z", "time": "t", "t": "t"}.get(str(name).lower())
        step = number(resolution)
        if axis is None or step is None:
            continue
        size = duration(abs(step), str(unit)) if axis == "t" else length(abs(step), _micro(str(unit)))
        if size:
            scale[axis] = size
    return Facts(scale)


def _micro(unit: str) -> str:
    """µ as it comes out of one-byte texts."""
    return "µm" if re.fullmatch(r".{0,2}m", unit) and unit[:1] not in "npmcd" else unit


def scanimage(tif: Any, page: Any) -> Facts:
    """ScanImage 2015 and later: its state as text."""
    frame: dict[str, Any] = (tif.scanimage_metadata or {}).get("FrameData") or {}
    scale: dict[str, float] = {}
    step = number(frame.get("SI.hStackManager.actualStackZStepSize", frame.get("SI.hStackManager.stackZStepSize")))
    if step and len(np.atleast_1d(frame.get("SI.hStackManager.zs", 0))) > 1:
        scale["z"] = abs(step)
    rate = positive(frame.get("SI.hRoiManager.scanVolumeRate" if "z" in scale else "SI.hRoiManager.scanFrameRate"))
    if rate:
        scale["t"] = 1 / rate
    corners, lines = frame.get("SI.hRoiManager.imagingFovUm"), frame.get("SI.hRoiManager.linesPerFrame")
    pixels = frame.get("SI.hRoiManager.pixelsPerLine")
    box = np.asarray(corners if isinstance(corners, list) else (), float)
    if box.shape == (4, 2) and pixels == page.imagewidth and lines == page.imagelength:
        width, height = np.ptp(box, axis=0)
        if width > 0 and height > 0:
            scale |= {"x": float(width) / page.imagewidth, "y": float(height) / page.imagelength}
    names = frame.get("SI.hChannels.channelName")
    saved = frame.get("SI.hChannels.channelSave")
    channels = []
    for one in np.ravel(np.asarray(saved if saved is not None else (), object)).tolist():
        known_name = isinstance(names, list) and isinstance(one, int) and 0 < one <= len(names)
        channels.append(Channel(str(names[one - 1]) if known_name and names is not None else None))
    original = {k: v for k, v in frame.items() if isinstance(v, str | int | float) and k.count(".") <= 2}
    return Facts(scale, channels=channels if frame else (), attrs=known(original=dict(list(original.items())[:500])))


def micromanager(tif: Any) -> Facts:
    """Micro-Manager's stacks: the summary behind the first page."""
    summary: dict[str, Any] = (tif.micromanager_metadata or {}).get("Summary") or {}
    size = positive(summary.get("PixelSize_um"))
    depth, interval = number(summary.get("z-step_um")), positive(summary.get("Interval_ms"), 1e-3)
    scale = sizes(x=size, y=size, z=abs(depth) if depth else None, t=interval)
    names, tints = summary.get("ChNames"), summary.get("ChColors")
    channels = []
    for i, name in enumerate(names if isinstance(names, list) else []):
        tint = tints[i] if isinstance(tints, list) and i < len(tints) else None
        # Java's colours are signed numbers with alpha on top
        channels.append(Channel(str(name) or None, f"{tint & 0xFFFFFF:06X}" if isinstance(tint, int) else None))
    when = re.match(
        r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)", str(summary.get("StartTime") or summary.get("Time") or "")
    )
    plain = {k: v for k, v in summary.items() if isinstance(v, str | int | float)}
    return Facts(
        scale, channels=channels, attrs=known(acquired=f"{when[1]}T{when[2]}" if when else None, original=plain)
    )


def sis(tif: Any) -> Facts:
    """Olympus Soft Imaging: sizes in metres."""
    meta: dict[str, Any] = tif.sis_metadata or {}
    when = meta.get("datetime")
    attrs = known(
        acquired=when.isoformat() if isinstance(when, datetime) else None,
        objective=objective(magnification=meta.get("magnification")),
    )
    scale = sizes(**{a: positive(meta.get(f"pixelsize{a}"), 1e6) for a in "xy"})
    return Facts(scale if len(scale) == 2 else {}, attrs=attrs)


def electron(tif: Any) -> Facts:
    """Electron microscopes: FEI in metres, Zeiss SEM with a unit, TVIPS in nm."""
    scan = (getattr(tif, "fei_metadata", None) or {}).get("Scan") or {}
    scale = sizes(x=positive(scan.get("PixelWidth"), 1e6), y=positive(scan.get("PixelHeight"), 1e6))
    if not scale and isinstance(item := (tif.sem_metadata or {}).get("ap_image_pixel_size"), tuple) and len(item) > 2:
        size = length(item[1], item[2])
        scale = sizes(x=size, y=size)
    if not scale and tif.tvips_metadata:
        meta = tif.tvips_metadata
        scale = sizes(x=positive(meta.get("PixelSizeX"), 1e-3), y=positive(meta.get("PixelSizeY"), 1e-3))
    return Facts(scale if len(scale) == 2 else {})

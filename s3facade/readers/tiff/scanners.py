"""What slide scanners write: Aperio, Hamamatsu, Akoya/PerkinElmer, Leica, Philips, Ventana."""

from __future__ import annotations

import re
from typing import Any

from s3facade.core.spec import Channel
from s3facade.readers.facts import Facts
from s3facade.readers.tiff.maker import (
    everywhere,
    iso,
    items,
    known,
    moment,
    number,
    objective,
    positive,
    sizes,
    text,
    tree,
)


def svs(tif: Any, page: Any) -> Facts:
    """Aperio: a line of ``key = value`` behind bars."""
    described = str(tif.pages.first.description or "")
    values = {k.strip(): v.strip() for k, mark, v in (part.partition("=") for part in described.split("|")[1:]) if mark}
    mpp = positive(values.get("MPP"))
    when = moment(f"{values.get('Date')} {values.get('Time')}", "%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S")
    attrs = known(acquired=when, objective=objective(magnification=values.get("AppMag")), original=values)
    # macro and label lie behind, without a size of their own
    first = page.index == 0
    return Facts(sizes(x=mpp, y=mpp) if first else {}, attrs=attrs if first else {})


def ndpi(tif: Any, page: Any, scale: dict[str, float]) -> Facts:
    """Hamamatsu: private tags from 65420 on."""
    tags = page.tags
    lens = positive(tags.valueof(65421))
    filtered, line = tags.valueof(65434), positive(tags.valueof(65451))
    when = moment(tags.valueof(306), "%Y:%m:%d %H:%M:%S")
    original = {
        name: value
        for name, code in (("Make", 271), ("Model", 272), ("Software", 305), ("Fluorescence", 65434), ("Serial", 65442))
        if isinstance(value := tif.pages.first.tags.valueof(code), str) and value
    }
    attrs = known(acquired=when, objective=objective(magnification=lens), original=original)
    channel = (Channel(str(filtered), emission=line),) if isinstance(filtered, str) and filtered else ()
    return Facts(scale, channels=channel, attrs=attrs)


def qptiff(series: Any, page: Any, scale: dict[str, float]) -> Facts:
    """Akoya and PerkinElmer: XML in every page, one page per channel."""
    root = tree(page.description).get("PerkinElmer-QPI-ImageDescription")
    channels = []
    for one in series.pages if series is not None and series.name == "Baseline" else ():
        node = tree(one.description).get("PerkinElmer-QPI-ImageDescription") if one is not None else None
        name = text(node, "Biomarker") or text(node, "Name")
        channels.append(Channel(name, _commas(text(node, "Color"))))
    stated = objective(text(root, "Objective"))
    original = (
        {k: v for k, v in root.items() if isinstance(v, str) and k != "ScanProfile"} if isinstance(root, dict) else {}
    )
    when = moment(page.tags.valueof(306), "%Y:%m:%d %H:%M:%S")
    attrs = known(acquired=when, objective=stated, original=original)
    return Facts(scale, channels=channels if any(c.name or c.color for c in channels) else (), attrs=attrs)


def _commas(colour: str | None) -> str | None:
    """``255,0,128`` as RRGGBB."""
    found = re.fullmatch(r"\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*", colour or "")
    if not found or max(int(v) for v in found.groups()) > 255:
        return None
    return "".join(f"{int(v):02X}" for v in found.groups())


def scn(tif: Any, series: Any, page: Any) -> Facts:
    """Leica: one XML for all images; sizes in nm."""
    root = tree(tif.pages.first.description)
    for image in items(root, "scn", "collection", "image"):
        if series is None or not any(number(d.get("@ifd")) == page.index for d in items(image, "pixels", "dimension")):
            continue
        pixels, view = (items(image, key) or [{}] for key in ("pixels", "view"))
        size = {}
        for axis in "XY":
            width, count = positive(view[0].get(f"@size{axis}"), 1e-3), positive(pixels[0].get(f"@size{axis}"))
            if width and count:
                size[axis.lower()] = width / count
        spacing = positive(view[0].get("@spacingZ"), 1e-3)
        settings = (items(image, "scanSettings") or [{}])[0]
        stated = objective(
            magnification=text(settings, "objectiveSettings", "objective"),
            na=text(settings, "illuminationSettings", "numericalAperture"),
        )
        lights = sorted(items(settings, "channelSettings", "channel"), key=lambda c: number(c.get("@index")) or 0)
        channels = [Channel(c.get("@name"), _hexadecimal(c.get("@rgb"))) for c in lights]
        attrs = known(
            acquired=iso(text(image, "creationDate")),
            objective=stated,
            original={k.removeprefix("@"): v for k, v in (items(image, "device") or [{}])[0].items()},
        )
        return Facts({**size, **sizes(z=spacing)}, channels=channels, attrs=attrs)
    return Facts()


def _hexadecimal(colour: object) -> str | None:
    found = re.fullmatch(r"#?([0-9A-Fa-f]{6})", str(colour or ""))
    return found[1].upper() if found else None


def philips(tif: Any, series: Any) -> Facts:
    """Philips: DICOM attributes as XML; sizes in mm, row spacing first."""
    values: dict[str, str] = {}
    for node in everywhere(tree(tif.pages.first.description), "Attribute"):
        name, value = node.get("@Name"), node.get("#text")
        if isinstance(name, str) and isinstance(value, str) and len(value) < 256:
            values.setdefault(name, value.strip())
    spacings = re.findall(r"[-+.\deE]+", _finest(tif))
    rows, columns = (positive(v, 1e3) for v in spacings) if len(spacings) == 2 else (None, None)
    when = values.get("DICOM_ACQUISITION_DATETIME", "").strip('"')[:14]
    attrs = known(acquired=moment(when, "%Y%m%d%H%M%S"), original=values)
    shown = series is not None and series.name == "Baseline"
    return Facts(sizes(x=columns, y=rows) if shown else {}, attrs=attrs if shown else {})


def _finest(tif: Any) -> str:
    """The pixel spacing of the finest representation: the smallest one that there is."""
    found = [
        str(node.get("#text", "")).replace('"', " ")
        for node in everywhere(tree(tif.pages.first.description), "Attribute")
        if node.get("@Name") == "DICOM_PIXEL_SPACING"
    ]
    return min(found, key=lambda s: positive((s.split() or ["inf"])[0]) or 1e9, default="")


def bif(tif: Any, series: Any) -> Facts:
    """Ventana: XML in the XMP tag. Tiles may overlap; they are shown as they are stored."""
    shown = series is not None and series.name == "Baseline"
    if not shown:
        return Facts()
    scan: dict[str, Any] = {}
    overlap = 0.0
    for page in tif.pages:
        root = tree(page.tags.valueof(700))
        for found in everywhere(root, "iScan"):
            scan = scan or {k.removeprefix("@"): v for k, v in found.items() if k.startswith("@")}
        for joint in everywhere(root, "TileJointInfo"):
            overlap = max(overlap, *(number(joint.get(f"@Overlap{a}")) or 0.0 for a in "XY"))
    size = positive(scan.get("ScanRes"))
    notes = []
    if overlap > 0:
        notes.append(
            f"Neighbouring tiles overlap by up to {overlap:g} pixels; they are shown side by side as stored, not "
            "stitched: distances across tiles are too long."
        )
    attrs = known(objective=objective(magnification=scan.get("Magnification")), original=scan, notes=notes)
    return Facts(sizes(x=size, y=size), attrs=attrs)

"""A minimal writer of LIF, LOF, XLIF and XLEF files by their specification, since no library writes them."""

from __future__ import annotations

import struct
from pathlib import Path

CODES = {"X": 1, "Y": 2, "Z": 3, "T": 4, "L": 5, "A": 6, "M": 10}
LENGTHS = {"X": (9e-6, "m"), "Y": (8e-6, "m"), "Z": (-4e-6, "m"), "T": (6.0, "s"), "L": (5e-8, "m")}
STAMP = 133_000_000_000_000_000


def image(name, array, dims, *, interleaved=False, tags=None, pad=0, stamps=0, block="MemBlock_1", extra="", luts=None):
    """XML and memory of an image: ``dims`` name the axes of ``array``, where ``C`` are channels, slowest first."""
    item = array.itemsize
    strides, data = {}, array.tobytes()
    if pad:
        assert not interleaved
        assert dims[-2:] == "YX"
        rows = array.reshape(-1, array.shape[-1])
        data = b"".join(r.tobytes() + b"\xee" * pad for r in rows)
    step = item
    for k in reversed(range(array.ndim)):
        strides[dims[k]] = step
        step = step * array.shape[k] + (pad if dims[k] == "X" else 0)
    described = ""
    for k, letter in enumerate(dims):
        if letter != "C":
            length, unit = LENGTHS.get(letter, (0.0, ""))
            start = 5e-7 if letter == "L" else 0
            described += (
                f'<DimensionDescription DimID="{CODES[letter]}" NumberOfElements="{array.shape[k]}" Origin="{start}" '
                f'Length="{length}" Unit="{unit}" BitInc="0" BytesInc="{strides[letter]}"/>'
            )
    count = array.shape[dims.index("C")] if "C" in dims else 1
    channels = ""
    for c in range(count):
        tag = tags[c] if tags else 0
        lut = (luts or ["Green", "Red", "Gray", "Blue"])[c % 4]
        channels += (
            f'<ChannelDescription DataType="{int(array.dtype.kind == "f")}" ChannelTag="{tag}" Resolution="{8 * item}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="255" Unit="" LUTName="{lut}" IsLUTInverted="0" '
            f'BytesInc="{c * strides.get("C", 0)}" BitInc="0"><ChannelProperty><Key>DyeName</Key>'
            f"<Value>Dye {c}</Value></ChannelProperty></ChannelDescription>"
        )
    times = " ".join(f"{STAMP + k * 20_000_000:x}" for k in range(stamps))
    xml = (
        f'<Element Name="{name}" Visibility="1"><Data><Image><ImageDescription><Channels>{channels}</Channels>'
        f"<Dimensions>{described}</Dimensions></ImageDescription>"
        f'<TimeStampList NumberOfTimeStamps="{stamps}">{times}</TimeStampList>'
        '<Attachment Name="HardwareSetting"><ATLConfocalSettingDefinition ObjectiveName="HC PL APO 63x" '
        'Magnification="63" NumericalAperture="1.4" Immersion="OIL"/></Attachment>'
        f'{extra}</Image></Data><Memory Size="{len(data)}" MemoryBlockID="{block}"/><Children/></Element>'
    )
    return xml, data


def lif(path, *images, version=2):
    """``images``: XML and memory, each in a block of its own."""
    inner = "".join(xml.replace("MemBlock_1", f"MemBlock_{k}") for k, (xml, _) in enumerate(images))
    xml = (
        f'<LMSDataContainerHeader Version="{version}"><Element Name="project"><Data><Experiment/></Data>'
        f'<Memory Size="0" MemoryBlockID="MemBlock_p"/><Children>{inner}</Children></Element></LMSDataContainerHeader>'
    )
    out = _text(xml)
    for k, (_, data) in enumerate([*images, ("", b"")]):
        name = f"MemBlock_{k}" if k < len(images) else "MemBlock_p"
        form = "<IIBQBI" if version == 2 else "<IIBIBI"
        out += struct.pack(form, 0x70, 2 * len(name) + 14, 0x2A, len(data), 0x2A, len(name))
        out += name.encode("utf-16-le") + data
    Path(path).write_bytes(out)
    return path


def lof(path, made):
    xml, data = made
    out = _text("LMS_Object_File") + struct.pack("<BIBIBQ", 0x2A, 2, 0x2A, 0, 0x2A, len(data)) + data
    Path(path).write_bytes(out + _text(f'<LMSDataContainerHeader Version="2">{xml}</LMSDataContainerHeader>'))
    return path


def xlif(path, made, files, *, encoding="utf-8"):
    """``files``: names with offset and size in the memory."""
    xml, _ = made
    blocks = "".join(f'<Block File="{f}" Offset="{o}" Size="{n}" UUID=""/>' for f, o, n in files)
    begin, end = xml.split("<Memory ")
    attributes, rest = end.split("/>", 1)
    inner = f"{begin}<Memory {attributes}>{blocks}</Memory>{rest}"
    xml = f'<?xml version="1.0"?><LMSDataContainerHeader Version="2">{inner}</LMSDataContainerHeader>'
    Path(path).write_bytes(xml.encode(encoding))
    return path


def xlef(path, names):
    children = "".join(f'<Reference File="{n}" UUID=""/>' for n in names)
    xml = (
        '<?xml version="1.0"?><LMSDataContainerHeader Version="2"><Element Name="project"><Data><Experiment/></Data>'
        f"<Children>{children}</Children></Element></LMSDataContainerHeader>"
    )
    Path(path).write_bytes(xml.encode())
    return path


def _text(words):
    return struct.pack("<IIBI", 0x70, 2 * len(words) + 5, 0x2A, len(words)) + words.encode("utf-16-le")

"""A minimal writer of CZI files, for what no other writer offers: pyramids, JPEG, odd dimensions."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

XML = """<?xml version="1.0"?><ImageDocument><Metadata><Information><Image>
<AcquisitionDateAndTime>2024-05-06T07:08:09Z</AcquisitionDateAndTime><Dimensions><Channels>
<Channel Id="Channel:0" Name="DAPI"><EmissionWavelength>461</EmissionWavelength>
<ExcitationWavelength>358</ExcitationWavelength><ExposureTime>5000000</ExposureTime></Channel>
<Channel Id="Channel:1" Name="GFP"/></Channels>
<S><Scenes><Scene Index="0" Name="P1"><CenterPosition>12.5,-3e3</CenterPosition></Scene>
<Scene Index="1" Name="P2"/></Scenes></S></Dimensions></Image>
<Instrument><Objectives><Objective Id="Objective:1" Name="Plan 20x"><NominalMagnification>20</NominalMagnification>
<LensNA>0.8</LensNA><Immersion>Air</Immersion></Objective></Objectives></Instrument></Information>
<Scaling><Items><Distance Id="X"><Value>5e-07</Value></Distance><Distance Id="Y"><Value>2.5e-07</Value></Distance>
</Items></Scaling><DisplaySetting><Channels><Channel Id="Channel:0"><Color>#FF0000FF</Color><Low>0.1</Low>
<High>0.5</High></Channel><Channel Id="Channel:1"><Color>#FF00FF00</Color></Channel></Channels></DisplaySetting>
</Metadata></ImageDocument>"""


@dataclass
class Block:
    data: bytes
    pixel: int
    compression: int
    dims: dict[str, tuple[int, int, int]]
    """By letter: start, size, stored size."""
    pyramid: int = 0


@dataclass
class Writer:
    xml: str = XML
    blocks: list[Block] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    part: int = 0

    def add(self, data, pixel, compression, pyramid=0, **dims):
        full = {k: (v, 1, 1) if isinstance(v, int) else (*v, v[1]) if len(v) == 2 else v for k, v in dims.items()}
        self.blocks.append(Block(bytes(data), pixel, compression, full, pyramid))

    def write(self, path):
        out = bytearray(_segment("ZISRAWFILE", bytes(512)))
        entries = b""
        for block in self.blocks:
            position = len(out)
            dims = b"".join(
                struct.pack("<4siifi", k.encode(), start, size, 0.0, stored)
                for k, (start, size, stored) in block.dims.items()
            )
            entry = struct.pack(
                "<2siqiiB5xi", b"DV", block.pixel, position, 0, block.compression, block.pyramid, len(block.dims)
            )
            entry += dims
            entries += entry
            extra = b"<METADATA/>"
            head = struct.pack("<iiq", len(extra), 0, len(block.data)) + entry
            out += _segment("ZISRAWSUBBLOCK", head.ljust(256, b"\0") + extra + block.data)
        directory = len(out)
        out += _segment("ZISRAWDIRECTORY", struct.pack("<i", len(self.blocks)).ljust(128, b"\0") + entries)
        metadata = len(out)
        xml = self.xml.encode()
        out += _segment("ZISRAWMETADATA", struct.pack("<ii", len(xml), 0).ljust(256, b"\0") + xml)
        attachments = 0
        if self.times:
            place = len(out)
            body = struct.pack("<ii", 8 + 8 * len(self.times), len(self.times)) + struct.pack(
                f"<{len(self.times)}d", *self.times
            )
            out += _segment("ZISRAWATTACH", struct.pack("<i", len(body)).ljust(256, b"\0") + body)
            attachments = len(out)
            entry = struct.pack("<2s10xqi16s8s80s", b"A1", place, 0, bytes(16), b"CZTIMS", b"TimeStamps")
            out += _segment("ZISRAWATTDIR", struct.pack("<i", 1).ljust(256, b"\0") + entry)
        guid = bytes(range(16))
        head = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, guid, guid, self.part, directory, metadata, 0, attachments)
        out[32 : 32 + len(head)] = head
        Path(path).write_bytes(out)
        return path


def _segment(name, data):
    padded = data.ljust(-(-len(data) // 32) * 32, b"\0")
    return struct.pack("<16sqq", name.encode(), len(padded), len(data)) + padded

"""Files opened by Bio-Formats: what is in them, and their pixels."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from s3facade_bioformats import java
from s3facade_bioformats.pipe import Failure

_OPEN = 4
"""Files that are kept open."""
_MOST = 1 << 30
"""Bytes of one answer."""


class Images:
    """Answers questions about files. One at a time: Bio-Formats' readers are not thread-safe."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def answer(self, question: dict[str, Any]) -> tuple[Any, list[bytes]]:
        """As `s3facade_bioformats.pipe.Answerer`.

        ``{"do": "open", "path", "etag"}`` gives ``{"series": [...], "ome", "files", "format", "version"}``;
        ``{"do": "read", "path", "etag", "series", "level", "t", "c", "z", "y", "x"}`` with a pair ``[start, stop]``
        for each axis (c counts groups of samples) gives planes, t slowest and z fastest.
        """
        try:
            java.start()
        except java.Missing as error:
            raise Failure("Unsupported", str(error)) from error
        import jpype

        try:
            reader = self._reader(question["path"], question["etag"])
            if question["do"] == "open":
                return _described(reader), []
            return _planes(reader, question)
        except jpype.JException as error:
            self._open.pop((question["path"], question["etag"]), None)
            kind = str(error.getClass().getName())
            said = f"{kind}: {error.getMessage()}"[:500]
            if kind.endswith("UnknownFormatException") or "UnsupportedCompression" in kind:
                raise Failure("Unsupported", "Bio-Formats does not know this kind of file.", said) from error
            raise Failure(
                "BadSource",
                "Bio-Formats cannot read the file: it is damaged, or a file that belongs to it is missing.",
                said,
            ) from error

    def _reader(self, path: str, etag: str) -> Any:
        known = self._open.get((path, etag))
        if known is not None:
            self._open.move_to_end((path, etag))
            return known
        formats = java.start().formats
        reader = formats.ImageReader()
        reader.setFlattenedResolutions(False)
        reader.setGroupFiles(True)
        services = java.start().common.services.ServiceFactory()
        service = services.getInstance(formats.services.OMEXMLService.class_)
        reader.setMetadataStore(service.createOMEXMLMetadata())
        try:
            reader.setId(path)
        except BaseException:
            reader.close()
            raise
        self._open[path, etag] = reader
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return reader


def _described(reader: Any) -> dict[str, Any]:
    formats = java.start().formats
    services = java.start().common.services.ServiceFactory()
    service = services.getInstance(formats.services.OMEXMLService.class_)
    series = []
    for number in range(reader.getSeriesCount()):
        reader.setSeries(number)
        reader.setResolution(0)
        one = {
            "t": int(reader.getSizeT()),
            "c": int(reader.getEffectiveSizeC()),
            "z": int(reader.getSizeZ()),
            "samples": int(reader.getRGBChannelCount()),
            "interleaved": bool(reader.isInterleaved()),
            "little": bool(reader.isLittleEndian()),
            "type": str(formats.FormatTools.getPixelTypeString(reader.getPixelType())),
            "indexed": bool(reader.isIndexed()) and not bool(reader.isFalseColor()),
            "thumbnail": bool(reader.isThumbnailSeries()),
            "tile": [int(reader.getOptimalTileHeight()), int(reader.getOptimalTileWidth())],
        }
        levels = []
        for level in range(reader.getResolutionCount()):
            reader.setResolution(level)
            same = (
                int(reader.getSizeT()) == one["t"]
                and int(reader.getEffectiveSizeC()) == one["c"]
                and int(reader.getSizeZ()) == one["z"]
                and int(reader.getRGBChannelCount()) == one["samples"]
            )
            if same:
                levels.append([level, int(reader.getSizeY()), int(reader.getSizeX())])
        one["levels"] = levels
        series.append(one)
    used = reader.getUsedFiles()
    return {
        "series": series,
        "ome": str(service.getOMEXML(reader.getMetadataStore())),
        "files": [str(f) for f in used] if used is not None else [],
        "format": str(reader.getFormat()),
        "version": java.version(),
    }


def _planes(reader: Any, question: dict[str, Any]) -> tuple[Any, list[bytes]]:
    reader.setSeries(question["series"])
    reader.setResolution(question["level"])
    (top, bottom), (left, right) = question["y"], question["x"]
    pixel = int(java.start().formats.FormatTools.getBytesPerPixel(reader.getPixelType())) * int(
        reader.getRGBChannelCount()
    )
    times, channels, depths = (range(*question[a]) for a in "tcz")
    count = len(times) * len(channels) * len(depths)
    if count * (bottom - top) * (right - left) * pixel > _MOST:
        raise Failure("Unsupported", "More pixels than can be read at once.")
    planes = [
        bytes(memoryview(reader.openBytes(reader.getIndex(z, c, t), left, top, right - left, bottom - top)))
        for t in times
        for c in channels
        for z in depths
    ]
    return {"nbytes": sum(map(len, planes))}, planes

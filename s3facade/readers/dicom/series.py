"""The files of a series, found among those of a folder."""

from __future__ import annotations

import threading
from collections import OrderedDict

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.dicom.elements import plausible
from s3facade.readers.dicom.instance import SERIES_UID, SOP_UID, Instance, read

MAX_FILES = 50_000
"""Of a folder; more are refused, since each has to be looked at."""
HEAD = 4096
_NOT = (".json", ".txt", ".xml", ".csv", ".tif", ".tiff", ".png", ".jpg", ".nii", ".gz", ".zip", ".md", ".pdf", ".yaml")


class _Uids:
    """To which series files belong, by path and etag; "" for what is no DICOM image. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._found: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()
        self._limit = limit

    def of(self, file: SourceFile) -> str:
        """The series of a file; its header is read once."""
        key = (file.source.path, file.source.etag)
        with self._lock:
            found = self._found.get(key)
        if found is None:
            found = _uid(file)
            with self._lock:
                self._found[key] = found
                while len(self._found) > self._limit:
                    self._found.popitem(last=False)
        return found


UIDS = _Uids(4 * MAX_FILES)
"""The process's own."""


def _uid(file: SourceFile) -> str:
    if file.source.size < 132 or not plausible(bytes(file.pread(0, min(HEAD, file.source.size)))):
        return ""
    try:
        instance = read(file)
    except BadSource:
        # told when it is opened itself; to which series it belongs nobody can say
        return ""
    return instance.header.text(SERIES_UID) if instance.pixels is not None else ""


def members(file: SourceFile) -> list[Instance]:
    """The files of the series that ``file`` belongs to, itself first; it alone if it states no series.

    Raises:
        BadSource: The file is damaged.
        Unsupported: It holds no pixels; or there are too many files to look at.
    """
    first = read(file)
    if first.pixels is None:
        raise Unsupported("The DICOM file holds no pixels, e.g. a report, a plan or a waveform.")
    uid = first.header.text(SERIES_UID)
    if not uid:
        return [first]
    own = file.source.path.rpartition("/")[2]
    names = [n for n in file.names() if not n.endswith("/") and n != own and not n.lower().endswith(_NOT)]
    if len(names) > MAX_FILES:
        raise Unsupported(f"The folder holds {len(names)} files; a series is looked for among {MAX_FILES} at most.")
    found, seen = [first], {first.header.text(SOP_UID)}
    for name in names:
        try:
            other = file.sibling(name)
        except (SourceNotFound, SourceDenied):
            # a pipe, a link out of the folder, or gone since
            continue
        if UIDS.of(other) != uid:
            continue
        instance = read(other)
        sop = instance.header.text(SOP_UID)
        # copies of an instance are no slices of their own
        if not sop or sop not in seen:
            seen.add(sop)
            found.append(instance)
    return found

"""Names taken apart: fields between separators, what kind each is, and the words that laboratories use in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

COUNTERS = {
    **dict.fromkeys(("sec", "section", "slice", "sl", "sect"), "section"),
    **dict.fromkeys(("s", "site", "f", "fov", "field", "pos", "position", "xy"), "field"),
    **dict.fromkeys(("z", "plane", "depth", "stack"), "z"),
    **dict.fromkeys(("t", "time", "tp", "timepoint", "frame"), "t"),
    **dict.fromkeys(("c", "ch", "chan", "channel", "w", "wv", "wavelength"), "channel"),
    **dict.fromkeys(("tile", "m", "mosaic"), "tile"),
    **dict.fromkeys(("r", "row"), "row"),
    **dict.fromkeys(("col", "column"), "column"),
    **dict.fromkeys(("d", "day"), "day"),
    **dict.fromkeys(("p", "plate"), "plate"),
    **dict.fromkeys(("run", "rep", "repeat"), "run"),
    **dict.fromkeys(("slide", "scene"), "slide"),
    **dict.fromkeys(("roi", "region"), "region"),
    **dict.fromkeys(("level", "lvl"), "level"),
}
"""What a number counts, by the letters in front of it."""
SUBJECTS = {
    **dict.fromkeys(("sub", "subj", "subject", "pat", "patient", "proband", "participant", "vp"), "sub"),
    **dict.fromkeys(("ses", "sess", "session", "visit"), "ses"),
    **dict.fromkeys(("animal", "mouse", "rat", "maus", "ratte", "m", "fish", "marmoset", "monkey", "mk"), "animal"),
    **dict.fromkeys(("sample", "specimen", "probe", "donor", "block"), "sample"),
    **dict.fromkeys(("brain", "hirn", "gehirn", "pm"), "brain"),
}
"""What a name such as ``mouse12`` stands for, by its letters: such numbers are kept with their letters."""
STAINS = frozenset(
    [
        "nissl",
        "cresyl",
        "violet",
        "cv",
        "h&e",
        "he",
        "ihc",
        "gfap",
        "neun",
        "iba1",
        "parvalbumin",
        "pv",
        "calbindin",
        "cb",
        "calretinin",
        "cr",
        "masson",
        "luxol",
        "lfb",
        "golgi",
        "silver",
        "myelin",
        "bielschowsky",
        "cytoarchitecture",
        "azan",
        "giemsa",
        "pas",
        "trichrome",
        "congo",
        "toluidine",
        "thionin",
    ]
)
CHANNELS = frozenset(
    [
        "dapi",
        "hoechst",
        "gfp",
        "egfp",
        "rfp",
        "yfp",
        "cfp",
        "mcherry",
        "tdtomato",
        "cy3",
        "cy5",
        "cy7",
        "fitc",
        "tritc",
        "txred",
        "texasred",
        "alexa488",
        "alexa555",
        "alexa568",
        "alexa594",
        "alexa647",
        "bf",
        "brightfield",
        "phase",
        "dic",
        "red",
        "green",
        "blue",
        "farred",
        "nir",
        "autofluorescence",
    ]
)
SIDES = frozenset(["l", "r", "left", "right", "lh", "rh", "links", "rechts", "hemil", "hemir"])
MASKS = frozenset(
    ["mask", "masks", "label", "labels", "seg", "segmentation", "segmentations", "annotation", "annotations"]
)
"""Words of files that say something about the voxels of others."""
MRI = {
    **dict.fromkeys(("t1", "t1w", "mprage", "mp2rage"), ("anat", "T1w")),
    **dict.fromkeys(("t2", "t2w"), ("anat", "T2w")),
    **dict.fromkeys(("flair", "t2flair"), ("anat", "FLAIR")),
    **dict.fromkeys(("t2star", "t2s", "swi"), ("anat", "T2starw")),
    **dict.fromkeys(("pd", "pdw"), ("anat", "PDw")),
    **dict.fromkeys(("bold", "fmri", "func", "rest", "epi", "rsfmri"), ("func", "bold")),
    **dict.fromkeys(("dwi", "dti", "diff", "diffusion"), ("dwi", "dwi")),
    **dict.fromkeys(("asl",), ("perf", "asl")),
    **dict.fromkeys(("pet",), ("pet", "pet")),
}
"""Data type and suffix of BIDS, by words of scanners."""
KINDS = MASKS | MRI.keys()
"""Words that set files apart: what one of them means is never said by a capture."""
TIMES = frozenset({"t1", "t2"})
"""Those of them that are points in time where files are not those of scanners."""
VOLUMES = (".nii", ".nii.gz", ".mgz", ".mgh", ".nrrd", ".mha", ".mhd", ".mnc", ".img", ".hdr", ".dcm", ".ima", "")
"""Extensions of scanners' files, in small letters."""
JUNK = frozenset(
    [
        "thumb",
        "thumbs",
        "thumbnail",
        "thumbnails",
        "preview",
        "previews",
        "tmp",
        "temp",
        "bak",
        "backup",
        "trash",
        "old",
        "alt",
        "copy",
        "kopie",
    ]
)
"""Words of files and folders that hardly anybody means to show."""
SYSTEM = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
"""Names of files that systems leave behind, in small letters."""

WELL = re.compile(r"[A-P](0[1-9]|1[0-9]|2[0-4])")
"""A well of a plate with up to 384 of them, as in B07."""
DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])|(19|20)\d\d[-.](0[1-9]|1[0-2])([-.]([0-2]\d|3[01]))?")
_RUNS = re.compile(r"[0-9]+|[^\W\d_]+|[\W_]", re.UNICODE)
_EXTENSION = re.compile(r"(\.(ome|companion))?(\.[A-Za-z][A-Za-z0-9]{0,10})(\.(gz|bz2|xz))?$")


def extension(name: str) -> str:
    """All of the extension, as written: ``.ome.tif``, ``.nii.gz``; empty if there is none."""
    base, dot, last = name.rpartition(".")
    if not dot or not base:
        return ""
    if last.lower() in {"gz", "bz2", "xz"} and "." in base[1:]:
        return "." + base.rpartition(".")[2] + "." + last
    found = _EXTENSION.search(name)
    return found.group(0) if found and found.start() else ""


def separator(name: str) -> str:
    """What separates the fields of a name; empty if nothing does."""
    return next((mark for mark in "_- ." if mark in name), "")


def fields(name: str) -> tuple[str, ...]:
    """The fields of a name without its extension."""
    mark = separator(name)
    return tuple(name.split(mark)) if mark else (name,)


def runs(field: str) -> list[str]:
    """Digits, letters and single other characters, in order."""
    return _RUNS.findall(field)


def words(name: str) -> list[str]:
    """The words of a name in small letters, numbers and separators left out."""
    return [run.lower() for run in runs(name) if run[0].isalpha()]


def junk(path: Sequence[str]) -> str | None:
    """The word that makes a path one that hardly anybody means to show, if there is one."""
    *folders, name = path
    for folder in folders:
        if folder.lower() in JUNK:
            return folder
    for field in re.split(r"[_\-. ()]+", name):
        if field.lower() in JUNK:
            return field
    return None


def telling(field: str, extension: str) -> str:
    """The word of `KINDS` that a field of a name with this extension is, in small letters; empty if it is none."""
    small = field.lower()
    return small if small in KINDS and (small not in TIMES or extension.lower() in VOLUMES) else ""


def kind(field: str, extension: str = "") -> str:
    """What makes two fields alike: ``#`` a number, ``a#`` letters and a number, ``W`` words; known letters stay."""
    if word := telling(field, extension):
        return f"={word}"
    if field.isascii() and field.isdigit():
        return "#"
    if DATE.fullmatch(field):
        return "date"
    if WELL.fullmatch(field):
        return "L##"
    head, dash, rest = field.partition("-")
    if dash and head.isalpha() and rest:
        return f"{head.lower()}-"
    parts = runs(field)
    numbers = [p for p in parts if p[0].isdigit()]
    if not numbers:
        return "W"
    if len(numbers) > 1:
        return "".join("#" if p[0].isdigit() else p for p in parts)
    if len(parts) == 2:
        first, last = parts
        if first.isalpha():
            return f"{first.lower()}#" if first.lower() in COUNTERS and first.lower() not in SUBJECTS else "a#"
        return f"#{last.lower()}"
    return "X"

"""The configuration that a folder suggests, as YAML with comments for whoever reads and corrects it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from s3facade.config.guess import bids
from s3facade.config.guess import words as w
from s3facade.config.guess.pieces import Hole
from s3facade.config.guess.proposal import Proposal, compiled
from s3facade.config.guess.sources import Found
from s3facade.config.guess.tables import Join
from s3facade.config.names import bucket_name

SHOWN = 20
"""Files of no use that are named."""
PLATES = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24))
"""Rows and columns of plates that can be bought."""


@dataclass(frozen=True, slots=True)
class Look:
    """What opening one file of a source told."""

    text: str
    sized: bool = True
    """Whether it says how large a pixel is, as far as anybody could tell."""


@dataclass(frozen=True, slots=True)
class Folder:
    """All that was found out about the folder."""

    name: str
    """As it is shown in comments."""
    prefix: str
    """What stands in front of patterns: empty where the folder is that of the configuration, else ends in a slash."""
    absolute: str
    """The folder's path, ending in a slash."""
    joins: Mapping[str, Sequence[Join]] = field(default_factory=dict)
    """By source."""
    looks: Mapping[str, Look] = field(default_factory=dict)
    """By source."""
    others: Sequence[str] = ()
    """Files that are neither images nor tables with a use."""
    datasets: Sequence[str] = ()
    """Folders that are BIDS datasets already, relative; "" is the folder itself."""
    bids: bool = False
    """Whether a BIDS view is wanted."""


def configuration(proposal: Proposal, folder: Folder) -> str:
    """The text of a configuration file."""
    lines = [
        f"# What {_said(folder.name)} suggests. Names were all that there was to go by: read this, correct it, then",
        "#   s3facade check THIS_FILE --tree     what it would show, and what it leaves out",
        "#   s3facade serve THIS_FILE",
        "",
    ]
    if proposal.sources:
        lines.append("sources:")
        for found in proposal.sources:
            lines += (
                ["", *_source(found, proposal, folder)] if lines[-1] != "sources:" else _source(found, proposal, folder)
            )
        lines.append("")
    lines += ["buckets:", f"  {_bucket(folder.name)}:", "    views:"]
    lines += _views(proposal, folder)
    lines += _junk(proposal)
    lines += _others(folder)
    return "\n".join(lines) + "\n"


def _source(found: Found, proposal: Proposal, folder: Folder) -> Iterator[str]:
    count = len(found.files)
    yield f"  # {count:,} image{'s' if count > 1 else ''}, as {_said(found.files[0])}"
    for hole in found.holes:
        yield f"  #   {{{hole.name}}}: {_values(hole)}"
    look = folder.looks.get(found.name)
    if look is not None:
        yield f"  # {_said(look.text)}"
    yield f"  {_key(found.name)}:"
    yield f"    files: {_quoted(_placed(found.pattern, folder))}"
    if found.skip:
        skips = [_quoted(_below(text, found, folder)) for text in found.skip]
        yield from _list("    skip: ", skips)
    if look is not None and not look.sized:
        yield "    # pixel_size: 0.5 um                # the file does not say how large a pixel is"
    yield from _stack(found, proposal)
    for join in folder.joins.get(found.name, ()):
        yield from _join(join, folder)
    names = [h for h in found.holes if h.name in ("stain", "side")]
    if names:
        values = sorted(set(names[0].values))[:4]
        told = ", ".join(f"{_quoted(v)}: {_quoted(re.sub('[^0-9A-Za-z]', '', v) or 'x')}" for v in values)
        yield f"    # values: {{{names[0].name}: {{{told}}}}}     # other words for what the names say"


def _stack(found: Found, proposal: Proposal) -> Iterator[str]:
    if found.stack:
        axes = ", ".join(f"{axis}: {name}" for axis, name in found.stack.items())
        yield f"    stack: {{{axes}}}                 # files that differ only here are one image"
        channel = found.hole(found.stack.get("c", ""))
        if channel is not None:
            labels = sorted(set(channel.values), key=lambda v: (len(v), v))[:4]
            shown = [str(int(v)) if channel.type == "int" else _quoted(v) for v in labels]
            named = ", ".join(f"{v}: {{name: DAPI, color: 0000FF}}" for v in shown[:1])
            yield f"    # channels: {{{named}}}     # values: {', '.join(shown)}"
    elif found.name in proposal.incomplete:
        axes = ", ".join(f"{axis}: {name}" for axis, name in proposal.incomplete[found.name].items())
        yield f"    # stack: {{{axes}}}    # one image of files that differ only here; but some of them are missing"
    else:
        number = next((h for h in found.holes if h.name in ("number", "section") and h.type == "int"), None)
        if number is not None:
            yield f"    # stack: {{z: {number.name}}}    # if files that differ only in this number are one volume"


def _join(join: Join, folder: Folder) -> Iterator[str]:
    lead = "    # " if join.twice else "    "
    if join.twice:
        yield f"    # several rows for {_few(join.twice)}: make them one, then"
    adds = f"     # adds {_few(join.others, '{', '}')}" if join.others else ""
    yield f"{lead}join:"
    yield f"{lead}  - table: {_quoted(_placed(join.table, folder, plain=True))}{adds}"
    yield f"{lead}    by: {{{join.capture}: {_quoted(join.column)}}}"
    if join.missing:
        yield f"{lead}    missing: keep                 # no row for {_few(join.missing)}; error, skip or keep"


def _views(proposal: Proposal, folder: Folder) -> Iterator[str]:
    several = len(proposal.sources) > 1
    if folder.bids and proposal.sources:
        yield from _bids(proposal, folder, "      ")
    else:
        for found in proposal.sources:
            yield from _plate(found, several=several) if _wells(found) else _zarr(found, proposal, several=several)
    for number, root in enumerate(folder.datasets):
        told = root or folder.name
        yield f"      # {_said(told)} is a BIDS dataset already: its images become OME-Zarr, the rest stays as it is"
        alone = not proposal.sources and len(folder.datasets) == 1
        yield "      - type: bids"
        yield f"        root: {_quoted(_placed(root, folder, plain=True) or '.')}"
        if not alone:
            yield f"        path: {_quoted(f'bids{number or str()}')}"
    if not proposal.sources and not folder.datasets:
        yield "      # no image was found: these are the files as they are"
        yield "      - type: files"
        yield f"        root: {_quoted(folder.prefix.rstrip('/') or '.')}"
    if proposal.sources and not folder.bids:
        yield ""
        yield "      # As a BIDS dataset, in a bucket of its own:"
        yield from ("      # " + line for line in _bids(proposal, folder, ""))


def _zarr(found: Found, proposal: Proposal, *, several: bool) -> Iterator[str]:
    yield "      - type: ome-zarr"
    yield f"        from: {_key(found.name)}"
    lead = _template_text(found.name) + "/" if several else ""
    yield f"        path: {_quoted(f'{lead}{found.key}.ome.zarr')}"
    for other in proposal.sources:
        mine, theirs = {h.name for h in found.holes}, {h.name for h in other.holes}
        if other is not found and mine and mine <= theirs and _masks(other) and not _masks(found):
            name = _key(other.name)
            yield f"        # labels: {{{name}: {name}}}     # if they are segmentations of these"


def _masks(found: Found) -> bool:
    fixed = [p.lower() for f in found.parts[-1][1] for p in f if isinstance(p, str)] if found.parts else []
    return any(text in w.MASKS for text in fixed)


def _wells(found: Found) -> bool:
    return found.hole("row") is not None and found.hole("column") is not None


def _plate(found: Found, *, several: bool) -> Iterator[str]:
    row, column, site = found.hole("row"), found.hole("column"), found.hole("field")
    assert row is not None and column is not None  # noqa: S101, PT018 - asked before
    highest = max(_row(v) for v in row.values), max(int(v) for v in column.values)
    size = next((p for p in PLATES if p[0] >= highest[0] and p[1] >= highest[1]), highest)
    size = (8, 12) if size < (8, 12) and size != highest else size
    used = {"row", "column", "field", *found.stack.values()}
    others = [h for h in found.holes if h.name not in used]
    yield "      - type: ome-zarr-plate"
    yield f"        from: {_key(found.name)}"
    prefix = "".join(f"_{{{h.name}}}" for h in others if h.name != "t")
    lead = f"{_template_text(found.name)}/" if several else ""
    yield f"        path: {_quoted(f'{lead}plate{prefix}.ome.zarr')}"
    yield f"        plate: {size[0]}x{size[1]}"
    yield '        well: "{row}/{column}"'
    if site is not None:
        yield '        field: "{field}"'
    if any(h.name == "t" for h in others):
        yield '        acquisition: "{t}"'


def _row(value: str) -> int:
    return int(value) if value.isdigit() else ord(value.upper()) - ord("A") + 1


def _bids(proposal: Proposal, folder: Folder, lead: str) -> Iterator[str]:
    yield f"{lead}- type: bids"
    yield f"{lead}  name: A name for the dataset"
    yield f"{lead}  # license: CC0                    # and authors: [Doe J]"
    yield f"{lead}  files:"
    for found in [s for s in proposal.sources if not s.wild] or proposal.sources:
        rule = bids.rule(found)
        yield f"{lead}    - from: {_key(found.name)}"
        told = f"              # {rule.doubt}" if rule.doubt else ""
        if rule.datatype != "micr":
            yield f"{lead}      datatype: {rule.datatype}"
            yield f"{lead}      as: nii.gz"
        yield f"{lead}      suffix: {rule.suffix}{told}"
        entities = ", ".join(f"{name}: {_quoted(value)}" for name, value in rule.entities.items())
        yield f"{lead}      entities: {{{entities}}}"
        if rule.unused:
            yield f"{lead}      # not in any name yet: {', '.join(f'{{{n}}}' for n in rule.unused)}"
    columns = [c for found in proposal.sources for join in folder.joins.get(found.name, ()) for c in join.others]
    told = {name: next((c for c in columns if c.lower().startswith(name)), "") for name in ("sex", "age", "species")}
    known = ", ".join(f"{name}: {_quoted(f'{{{c}}}')}" for name, c in told.items() if c) or "species: mus musculus"
    yield f"{lead}  # participants: {{{known}}}"
    if any(bids.rule(found).datatype == "micr" for found in proposal.sources):
        yield f"{lead}  samples: {{sample_type: tissue}}      # tissue, cell line, organoid, …: what is it?"


def _junk(proposal: Proposal) -> Iterator[str]:
    if proposal.junk:
        yield ""
        yield "# Left out, for the words in their names:"
        for word, files in sorted(proposal.junk.items()):
            yield f"#   {_said(word)}: {len(files):,} file{'s' if len(files) > 1 else ''}, as {_said(files[0])}"


def _others(folder: Folder) -> Iterator[str]:
    if folder.others:
        yield ""
        count = len(folder.others)
        yield f"# No image, nor a table that goes with one ({count:,} file{'s' if count > 1 else ''}):"
        yield from (f"#   {_said(path)}" for path in folder.others[:SHOWN])
        if count > SHOWN:
            yield f"#   … and {count - SHOWN:,} more"


def _placed(pattern: str, folder: Folder, *, plain: bool = False) -> str:
    """A pattern, or a path, as the configuration writes it."""
    text = folder.prefix + pattern
    # What looks like a store, a home folder or a variable needs the whole path.
    odd = re.match(r"~|[A-Za-z][A-Za-z0-9_-]*:", text.split("{", maxsplit=1)[0]) or ".." in text.split("/")
    text = folder.absolute + pattern if odd else text
    return text.replace("${", "$${") if plain else text


def _below(text: str, found: Found, folder: Folder) -> str:
    """A pattern to skip: seen from where the pattern of the source starts to look."""
    root = str(compiled(found.pattern).root).lstrip("/")
    if text.startswith("**/") or not root:
        return text
    above, parts = root.split("/"), text.split("/")
    if len(parts) > len(above) and all(p in (a, "*") for p, a in zip(parts, above, strict=False)):
        return "/".join(parts[len(above) :])
    return folder.absolute + text


def _list(lead: str, items: Sequence[str]) -> Iterator[str]:
    line = f"{lead}[{', '.join(items)}]"
    if len(line) <= 110:
        yield line
        return
    yield lead.rstrip()
    yield from (f"      - {item}" for item in items)


def _values(hole: Hole) -> str:
    distinct = sorted(set(hole.values), key=lambda v: (len(v), v) if hole.type == "int" else (0, v))
    if hole.type == "int" and len(distinct) > 3:
        return f"{len(distinct):,} numbers from {distinct[0]} to {distinct[-1]}"
    more = f" and {len(distinct) - 4:,} more" if len(distinct) > 4 else ""
    return ", ".join(map(_said, distinct[:4])) + more


def _few(texts: Sequence[str], before: str = "", after: str = "") -> str:
    told = ", ".join(f"{before}{_said(t)}{after}" for t in texts[:4])
    return told + (f" and {len(texts) - 4:,} more" if len(texts) > 4 else "")


def _bucket(name: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-")
    try:
        return bucket_name(text)
    except ValueError:
        return "images"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name) and name.lower() not in _SPECIAL else _quoted(name)


_SPECIAL = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


def _template_text(name: str) -> str:
    return name.replace("{", "").replace("}", "")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _said(text: str) -> str:
    """Text for a comment: on one line, whatever it is."""
    return "".join(c if c.isprintable() else "?" for c in text)

"""The views that a folder suggests: images, plates, a BIDS dataset, or one that is there already."""

from __future__ import annotations

from collections.abc import Iterator

from s3facade.config.guess import bids
from s3facade.config.guess import words as w
from s3facade.config.guess.proposal import Proposal
from s3facade.config.guess.sources import Found
from s3facade.config.guess.written import Folder, key, placed, quoted, said

PLATES = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24))
"""Rows and columns of plates that can be bought."""


def views(proposal: Proposal, folder: Folder) -> Iterator[str]:
    """Lines of the list of views."""
    several = len(proposal.sources) > 1
    if folder.bids and proposal.sources:
        yield from _bids(proposal, folder, "      ")
    else:
        for found in proposal.sources:
            yield from _plate(found, several=several) if _wells(found) else _zarr(found, proposal, several=several)
    for number, root in enumerate(folder.datasets):
        told = root or folder.name
        yield f"      # {said(told)} is a BIDS dataset already: its images become OME-Zarr, the rest stays as it is"
        alone = not proposal.sources and len(folder.datasets) == 1
        yield "      - type: bids"
        yield f"        root: {quoted(placed(root, folder, plain=True).rstrip('/') or '.')}"
        if not alone:
            yield f"        path: {quoted(f'bids{number or str()}')}"
    if not proposal.sources and not folder.datasets:
        yield "      # no image was found: these are the files as they are"
        yield "      - type: files"
        yield f"        root: {quoted(folder.prefix.rstrip('/') or '.')}"
    if not folder.bids and not all(_wells(found) for found in proposal.sources):
        yield ""
        yield "      # As a BIDS dataset, in a bucket of its own:"
        yield from ("      # " + line for line in _bids(proposal, folder, ""))


def _zarr(found: Found, proposal: Proposal, *, several: bool) -> Iterator[str]:
    yield "      - type: ome-zarr"
    yield f"        from: {key(found.name)}"
    lead = _template_text(found.name) + "/" if several else ""
    yield f"        path: {quoted(f'{lead}{found.key}.ome.zarr')}"
    for other in proposal.sources:
        mine, theirs = {h.name for h in found.holes}, {h.name for h in other.holes}
        if other is not found and mine and mine <= theirs and _masks(other) and not _masks(found):
            name = key(other.name)
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
    yield f"        from: {key(found.name)}"
    prefix = "".join(f"_{{{h.name}}}" for h in others if h.name != "t")
    lead = f"{_template_text(found.name)}/" if several else ""
    yield f"        path: {quoted(f'{lead}plate{prefix}.ome.zarr')}"
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
    plain = [s for s in proposal.sources if not s.wild and not _wells(s)]
    for found in plain or proposal.sources:
        rule = bids.rule(found)
        yield f"{lead}    - from: {key(found.name)}"
        told = f"              # {rule.doubt}" if rule.doubt else ""
        if rule.datatype != "micr":
            yield f"{lead}      datatype: {rule.datatype}"
            yield f"{lead}      as: nii.gz"
        yield f"{lead}      suffix: {rule.suffix}{told}"
        entities = ", ".join(f"{name}: {quoted(value)}" for name, value in rule.entities.items())
        yield f"{lead}      entities: {{{entities}}}"
        if rule.unused:
            yield f"{lead}      # not in any name yet: {', '.join(f'{{{n}}}' for n in rule.unused)}"
    columns = [c for found in proposal.sources for join in folder.joins.get(found.name, ()) for c in join.others]
    fit = {name: next((c for c in columns if c.lower().startswith(name)), "") for name in ("sex", "age", "species")}
    known = ", ".join(f"{name}: {quoted(f'{{{c}}}')}" for name, c in fit.items() if c) or "species: mus musculus"
    yield f"{lead}  # participants: {{{known}}}"
    if any(bids.rule(found).datatype == "micr" for found in proposal.sources):
        yield f"{lead}  samples: {{sample_type: tissue}}      # tissue, cell line, organoid, …: what is it?"


def _template_text(name: str) -> str:
    return name.replace("{", "").replace("}", "")

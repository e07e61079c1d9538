"""The configuration that a folder suggests, as YAML with comments for whoever reads and corrects it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from s3facade.config.guess.pieces import Hole
from s3facade.config.guess.proposal import Proposal, compiled
from s3facade.config.guess.sources import Found
from s3facade.config.guess.tables import Join
from s3facade.config.guess.views import views
from s3facade.config.guess.written import Folder, key, placed, quoted, said
from s3facade.config.names import bucket_name

SHOWN = 20
"""Files of no use that are named."""


def configuration(proposal: Proposal, folder: Folder) -> str:
    """The text of a configuration file."""
    lines = [
        f"# What {said(folder.name)} suggests. Names were all that there was to go by: read this, correct it, then",
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
    lines += views(proposal, folder)
    lines += _junk(proposal)
    lines += _others(folder)
    return "\n".join(lines) + "\n"


def _source(found: Found, proposal: Proposal, folder: Folder) -> Iterator[str]:
    count = len(found.files)
    yield f"  # {count:,} image{'s' if count > 1 else ''}, as {said(found.files[0])}"
    for hole in found.holes:
        yield f"  #   {{{hole.name}}}: {_values(hole)}"
    look = folder.looks.get(found.name)
    if look is not None:
        yield f"  # {said(look.text)}"
    yield f"  {key(found.name)}:"
    yield f"    files: {quoted(placed(found.pattern, folder))}"
    if found.skip:
        skips = [quoted(_below(text, found, folder)) for text in found.skip]
        yield from _list("    skip: ", skips)
    if look is not None and not look.sized:
        yield "    # pixel_size: 0.5 um                # the file does not say how large a pixel is"
    yield from _stack(found, proposal)
    for join in folder.joins.get(found.name, ()):
        yield from _join(join, folder)
    names = [h for h in found.holes if h.name in ("stain", "side") and not all(map(str.isalnum, h.values))]
    if names:
        values = [v for v in sorted(set(names[0].values)) if not v.isalnum()][:4]
        told = ", ".join(f"{quoted(v)}: {quoted(re.sub('[^0-9A-Za-z]', '', v) or 'x')}" for v in values)
        yield f"    # values: {{{names[0].name}: {{{told}}}}}     # other words for what the names say"


def _stack(found: Found, proposal: Proposal) -> Iterator[str]:
    if found.stack:
        axes = ", ".join(f"{axis}: {name}" for axis, name in found.stack.items())
        yield f"    stack: {{{axes}}}                 # files that differ only here are one image"
        channel = found.hole(found.stack.get("c", ""))
        if channel is not None:
            labels = sorted(set(channel.values), key=lambda v: (len(v), v))[:4]
            shown = [str(int(v)) if channel.type == "int" else quoted(v) for v in labels]
            said = "DAPI" if channel.type == "int" else quoted(labels[0])
            named = f"{shown[0]}: {{name: {said}, color: 0000FF}}"
            yield f"    # channels: {{{named}}}     # values: {', '.join(shown)}"
    elif found.name in proposal.incomplete:
        axes = ", ".join(f"{axis}: {name}" for axis, name in proposal.incomplete[found.name].items())
        yield f"    # stack: {{{axes}}}    # one image of files that differ only here; but some of them are missing"
    else:
        numbers = {h.name: h for h in found.holes if h.type == "int"}
        number = numbers.get("section") or numbers.get("number")
        if number is not None:
            yield f"    # stack: {{z: {number.name}}}    # if files that differ only in this number are one volume"


def _join(join: Join, folder: Folder) -> Iterator[str]:
    lead = "    # " if join.twice else "    "
    if join.twice:
        yield f"    # several rows for {_few(join.twice)}: make them one, then"
    adds = f"     # adds {_few(join.others, '{', '}')}" if join.others else ""
    yield f"{lead}join:"
    yield f"{lead}  - table: {quoted(placed(join.table, folder, plain=True))}{adds}"
    yield f"{lead}    by: {{{join.capture}: {quoted(join.column)}}}"
    if join.missing:
        yield f"{lead}    missing: keep                 # no row for {_few(join.missing)}; error, skip or keep"


def _junk(proposal: Proposal) -> Iterator[str]:
    if proposal.junk:
        yield ""
        yield "# Left out, for the words in their names:"
        for word, files in sorted(proposal.junk.items()):
            yield f"#   {said(word)}: {len(files):,} file{'s' if len(files) > 1 else ''}, as {said(files[0])}"


def _others(folder: Folder) -> Iterator[str]:
    if folder.others:
        yield ""
        count = len(folder.others)
        yield f"# No image, nor a table that goes with one ({count:,} file{'s' if count > 1 else ''}):"
        first = sorted(folder.others, key=lambda path: path not in folder.unread)[:SHOWN]
        reasons = {path: f": {said(reason)}" for path, reason in folder.unread.items()}
        yield from (f"#   {said(path)}{reasons.get(path, '')}" for path in first)
        if count > SHOWN:
            yield f"#   … and {count - SHOWN:,} more"


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
    if hole.type == "int":
        padded = {int(v): v for v in sorted(hole.values)}
        distinct = [padded[n] for n in sorted(padded)]
    else:
        distinct = sorted(set(hole.values))
    if hole.type == "int" and len(distinct) > 3:
        return f"{len(distinct):,} numbers from {distinct[0]} to {distinct[-1]}"
    more = f" and {len(distinct) - 4:,} more" if len(distinct) > 4 else ""
    return ", ".join(map(said, distinct[:4])) + more


def _few(texts: Sequence[str], before: str = "", after: str = "") -> str:
    told = ", ".join(f"{before}{said(t)}{after}" for t in texts[:4])
    return told + (f" and {len(texts) - 4:,} more" if len(texts) > 4 else "")


def _bucket(name: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-")
    try:
        return bucket_name(text)
    except ValueError:
        return "images"

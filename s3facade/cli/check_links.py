"""Links that sources do not follow, although they are called as a pattern asks: ``s3facade check`` names them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from s3facade.catalog.sources.report import Note, Tally
from s3facade.catalog.sources.walk import FOLDERS
from s3facade.cli.check_findings import Finding, short
from s3facade.stores.files import is_remote


def of_links(tallies: Iterable[Tally], base: str) -> Iterator[Finding]:
    """Links to files that lie elsewhere or nowhere, and links to folders. Blocking.

    Args:
        tallies: Of the sources that are shown.
        base: Folder of the configuration: what lies in it is called from there.
    """
    notes: dict[str, Note] = {}
    for tally in tallies:
        files = tally.source.files
        if files is None or is_remote(str(files.root)):
            continue
        root = os.path.realpath(files.root)
        for folder, folders, names in os.walk(files.root):
            # What sources do not look into, because it is hidden or one image.
            folders[:] = [n for n in folders if n[0] != "." and os.path.splitext(n)[1].lower() not in FOLDERS]
            depth = 0 if folder == str(files.root) else os.path.relpath(folder, files.root).count("/") + 1
            if files.depth is not None and depth + 1 >= files.depth:
                folders[:] = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for path in (os.path.join(folder, name) for name in (*names, *folders)):
                if not os.path.islink(path) or any(skip.accepts(path) for skip in tally.source.skip):
                    continue
                if why := _why(path, root, asked=files.accepts(path)):
                    notes[path] = Note(short(path, base), why)
    if notes:
        shown = tuple(notes[path] for path in sorted(notes))
        yield Finding("warning", "links that are not followed", len(notes), shown, "put files there, or `skip:` them")


def _why(path: str, root: str, *, asked: bool) -> str:
    """Why a link is not followed, without a full stop; empty if it is, or if nobody asks for it."""
    if os.path.isdir(path):
        return "leads to a folder; name that in a pattern of its own"
    if not asked:
        return ""
    if not os.path.exists(path):
        return "leads nowhere"
    inside = os.path.realpath(path).startswith(root.rstrip("/") + "/")
    return "" if inside else "leads out of the folder that the pattern begins with; begin it further up"

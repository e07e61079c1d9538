"""All sources that a folder suggests: every image in exactly one of them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from s3facade.config.guess import words as w
from s3facade.config.guess.groups import clusters
from s3facade.config.guess.sources import Found, literal, only, source, stacked
from s3facade.config.pattern import Pattern, compile_pattern

MOST = 12
"""Sources that somebody can be asked to read; what is left over becomes one."""
ODD = 3
"""Files that a pattern may fit without reading them as it should; they are left out by name."""
ROOT = Path("/")
"""Stands for the folder that is looked at."""
_CAPTURE = re.compile(r"(\{[^{}]*\})+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a folder suggests."""

    sources: tuple[Found, ...]
    incomplete: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Axes along which files of a source are missing, by source."""
    junk: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Images that are left out, by the word in their names that says why."""


def propose(paths: Iterable[str], folders: Iterable[str] = ()) -> Proposal:
    """Sources for images.

    Args:
        paths: Of image files, relative to the folder, with ``/`` between components.
        folders: Those of ``paths`` that are folders, each of which is one image.
    """
    junk: dict[str, list[str]] = defaultdict(list)
    kept = []
    for path in sorted(paths):
        word = w.junk(path.split("/"))
        kept.append(path) if word is None else junk[word].append(path)
    if not kept:
        # What is left out must leave something.
        kept, junk = sorted(path for found in junk.values() for path in found), defaultdict(list)
    whole = {f for f in folders if not w.extension(f)}
    found = [s for names in clusters(p for p in kept if p not in whole) if (s := source(names)) is not None]
    good = [f for f in found if f.structured]
    if len(good) > MOST:
        least = max(4, len(kept) // 50)
        good = [f for f in good if len(f.files) >= least][:MOST]
    sources = _owning(good, kept)
    taken = {path for s in sources for path in s.files}
    sources += _rest([p for p in kept if p not in taken], folders=bool(whole - taken))
    unwanted = [path for found in junk.values() for path in found]
    sources = _without(apart(sources, [*kept, *unwanted]), unwanted)
    done = [stacked(s) for s in _titled(sources)]
    incomplete = {s.name: axes for s, axes in done if axes}
    return Proposal(tuple(s for s, _ in done), incomplete, {word: tuple(found) for word, found in junk.items()})


def compiled(text: str) -> Pattern:
    """A pattern of a source, seen from the folder."""
    return compile_pattern("/" + text, ROOT)


def _owning(found: Sequence[Found], every: Sequence[str]) -> list[Found]:
    """Sources with the files that no other one has a better claim to, the largest first.

    The more fixed text a pattern has, the better. A pattern that fits many files that it does not read as it should is
    given up.
    """
    ordered = sorted(found, key=lambda f: (-sum(c.isalnum() for c in _fixed(f.pattern)), f.pattern))
    own = set().union(*(f.files for f in ordered)) if ordered else set()
    fits = {f.pattern: compiled(f.pattern) for f in ordered}
    left = [p for p in every if p not in own]
    ordered = [f for f in ordered if sum(fits[f.pattern].accepts(ROOT / p) for p in left) <= ODD]
    taken: set[str] = set()
    out = []
    for one in ordered:
        mine = [i for i, path in enumerate(one.files) if path not in taken]
        if len(mine) > 1:
            out.append(only(one, mine))
            taken.update(one.files[i] for i in mine)
    return sorted(out, key=lambda f: (-len(f.files), f.pattern))


def apart(sources: Sequence[Found], every: Sequence[str]) -> list[Found]:
    """Sources that leave out what their patterns match beside their own files."""
    out = []
    patterns = {one.pattern: compiled(one.pattern) for one in sources}
    owner = {path: one for one in sources for path in one.files}
    for one in sources:
        mine = set(one.files)
        skips: dict[str, None] = {}
        seen: list[Pattern] = []
        for path in every:
            if path in mine or not patterns[one.pattern].accepts(ROOT / path):
                continue
            if any(pattern.accepts(ROOT / path) for pattern in seen):
                continue
            text = _leaving(path, owner.get(path), one.files)
            skips[text] = None
            seen.append(compiled(text))
        out.append(replace(one, skip=tuple(skips)))
    return out


def _without(sources: Sequence[Found], unwanted: Sequence[str]) -> list[Found]:
    """Sources that say of files in their folders, which nobody means to show, that they are left out on purpose."""
    left = list(unwanted)
    out = []
    for one in sources:
        root = compiled(one.pattern).root
        skips = dict.fromkeys(one.skip)
        for text in dict.fromkeys(_unwanted(path) for path in left if (ROOT / path).is_relative_to(root)):
            pattern = compiled(text)
            if not any(pattern.accepts(ROOT / path) for path in one.files):
                skips[text] = None
        patterns = [compiled(text) for text in skips]
        left = [path for path in left if not any(pattern.accepts(ROOT / path) for pattern in patterns)]
        out.append(replace(one, skip=tuple(skips)))
    return out


def _leaving(path: str, owner: Found | None, files: Sequence[str]) -> str:
    """The shortest pattern that leaves out a path, and none of ``files``."""
    tries = [_unwanted(path)] if owner is None else [_stars(owner.pattern), owner.pattern]
    for text in tries:
        pattern = compiled(text)
        if pattern.accepts(ROOT / path) and not any(pattern.accepts(ROOT / f) for f in files):
            return text
    return literal(path)


def _fixed(pattern: str) -> str:
    """The text of a pattern outside its braces."""
    out, depth = "", 0
    for c in pattern:
        depth += {"{": 1, "}": -1}.get(c, 0)
        out += c if depth == 0 and c not in "{}*?" else ""
    return out


def _rest(left: Sequence[str], *, folders: bool) -> list[Found]:
    """Sources of what has no common form: one per extension, or one for everything."""
    if not left:
        return []
    kinds: dict[str, list[str]] = defaultdict(list)
    for path in left:
        kinds[w.extension(path.rpartition("/")[2])].append(path)
    if len(kinds) > 3 or "" in kinds or folders:
        return [Found("images", tuple(left), (), "", wild="**")]
    out = []
    for extension, paths in sorted(kinds.items()):
        depths = {path.count("/") for path in paths}
        parents = {path.rpartition("/")[0] for path in paths}
        name = "images" if len(kinds) == 1 else w.words(extension)[-1] if w.words(extension) else "images"
        if len(parents) == 1:
            folder = parents.pop()
            start = "".join(f"{literal(part)}/" for part in folder.split("/") if part)
        else:
            start = "*/" * depths.pop() if len(depths) == 1 else "**/"
        out.append(Found(name, tuple(paths), (), extension, wild=start + "{name}" + literal(extension)))
    return out


def _stars(pattern: str) -> str:
    """A pattern with stars for captures."""
    return re.sub(r"\*\*+", "*", _CAPTURE.sub("*", pattern)) if "**" not in pattern else pattern


def _unwanted(path: str) -> str:
    """The pattern that leaves out a path that hardly anybody means to show."""
    *folders, name = path.split("/")
    for folder in folders:
        if folder.lower() in w.JUNK:
            return f"**/{folder}/**"
    return f"**/*{w.junk([name]) or name}*"


def _titled(sources: Sequence[Found]) -> list[Found]:
    """Sources of different names."""
    seen: Counter[str] = Counter()
    out = []
    for one in sources:
        seen[one.name] += 1
        out.append(one if seen[one.name] == 1 else replace(one, name=f"{one.name}{seen[one.name]}"))
    return out

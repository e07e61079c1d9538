"""What ``s3facade check`` prints: sources, buckets and their keys, then everything that is wrong, in groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from s3facade.catalog.catalog import Catalog
from s3facade.cli import check_tree
from s3facade.cli.check_findings import Finding, Weight, count
from s3facade.cli.check_measure import Measure, sentence
from s3facade.config.settings import BucketConfig, Settings
from s3facade.config.views.files import FilesView


def page(
    chosen: Settings,
    catalog: Catalog,
    findings: Sequence[Finding],
    measure: Measure | None,
    limit: int,
    *,
    tree: bool,
) -> Iterator[str]:
    """Everything as text."""
    yield from _sources(chosen, catalog)
    for bucket in chosen.buckets:
        yield from _bucket(bucket, catalog, measure, limit, tree=tree)
    for weight in ("remark", "problem", "warning"):
        # Without a configuration nobody has said what is meant.
        found = [f for f in findings if f.weight == weight and (weight != "remark" or chosen.path is not None)]
        if found:
            yield ""
            yield f"{weight}s"
        for finding in found:
            yield from _finding(finding, limit)
    yield ""
    yield verdict(findings)


def verdict(findings: Sequence[Finding]) -> str:
    """The last line."""
    problems, warnings = _many(findings, "problem"), _many(findings, "warning")
    return f"{problems or 'No problems'}{f', {warnings}' if warnings else ''}."


def _many(findings: Sequence[Finding], weight: Weight) -> str:
    number = count(findings, weight)
    return f"{number:,} {weight}{'' if number == 1 else 's'}" if number else ""


def _sources(chosen: Settings, catalog: Catalog) -> Iterator[str]:
    reports = {n: s for b in chosen.buckets for n, s in catalog.plan(b.name).report.sources.items()}
    if chosen.path is None or not reports:
        return
    yield "sources"
    width = max(map(len, reports))
    for name, source in reports.items():
        less = f", {source.skipped.count:,} left out" if source.skipped.count else ""
        pattern = f"  {source.pattern}" if source.pattern else ""
        yield f"  {name:{width}}  {_plural(source.matched, 'file')}{less}{pattern}"
    yield ""


def _plural(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _bucket(
    bucket: BucketConfig, catalog: Catalog, measure: Measure | None, limit: int, *, tree: bool
) -> Iterator[str]:
    images = catalog.images(bucket.name)
    plan = catalog.plan(bucket.name)
    texts = len(plan.documents) + len(plan.late)
    more = (f", {_plural(texts, 'text')}" if texts else "") + (
        f", {_plural(len(plan.files), 'file')} as they are" if plan.files else ""
    )
    yield f"s3://{bucket.name} ({bucket.access}): {_plural(len(images), 'image')}{more}"
    if measure is not None:
        yield f"  {sentence(measure.bucket(bucket.name), measure.originals(bucket.name))}"
    if tree:
        yield from ("  " + line for line in check_tree.lines(keys(bucket.name, catalog), limit))
        return
    yield from (f"  {prefix}" for prefix in images[:limit])
    if len(images) > limit:
        yield f"  … {len(images) - limit:,} more; --tree shows where"
    for view in bucket.views:
        if isinstance(view, FilesView):
            kind = "files below" if view.root.is_dir() else "the file"
            yield f"  {view.path or '/'}: {kind} {view.root}"


def keys(name: str, catalog: Catalog) -> check_tree.Branch:
    """The tree of a bucket."""
    plan = catalog.plan(name)
    shown = {key for key, _ in catalog.mounts(name)}
    return check_tree.tree(plan, frozenset(key for key in plan.mounts if key not in shown))


def _finding(finding: Finding, limit: int) -> Iterator[str]:
    title = f"  {finding.title} ({finding.count:,})"
    shown = finding.shown[:limit]
    reasons = {note.sentence for note in finding.shown}
    advice = f": {finding.advice}" if finding.advice else ""
    if len(reasons) == 1 and len(finding.shown) > 1 and shown[0].about:
        # One reason for all of them is said once.
        yield f"{title}{advice}"
        reason = reasons.pop()
        yield from [f"    {reason}"] if reason else []
        yield from (f"      {note.about}" for note in shown)
    else:
        yield f"{title}{advice}"
        yield from (f"    {note.about}{': ' if note.about and note.sentence else ''}{note.sentence}" for note in shown)
    if finding.count > len(shown):
        yield f"    … {finding.count - len(shown):,} more"


def document(
    chosen: Settings,
    catalog: Catalog,
    findings: Sequence[Finding],
    measure: Measure | None,
    limit: int,
    *,
    tree: bool,
) -> dict[str, Any]:
    """Everything for programs."""
    buckets: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    for bucket in chosen.buckets:
        plan = catalog.plan(bucket.name)
        about: dict[str, Any] = {"access": bucket.access, "images": len(catalog.images(bucket.name))}
        about["texts"], about["files"] = len(plan.documents) + len(plan.late), len(plan.files)
        if measure is not None:
            size, (number, nbytes) = measure.bucket(bucket.name), measure.originals(bucket.name)
            about["sizes"] = {"keys": size.keys, "bytes": size.known, "keys_of_unknown_size": size.unknown}
            about["originals"] = {"files": number, "bytes": nbytes}
        if tree:
            about["tree"] = check_tree.as_json(keys(bucket.name, catalog))
        buckets[bucket.name] = about
        for name, source in plan.report.sources.items():
            sources[name] = {"files": source.matched, "pattern": source.pattern, "root": source.root}
    told = [
        {
            "weight": f.weight,
            "title": f.title,
            "count": f.count,
            "advice": f.advice,
            "examples": [{"about": n.about, "sentence": n.sentence} for n in f.shown[:limit]],
        }
        for f in findings
    ]
    numbers = {f"{weight}s": count(findings, weight) for weight in ("problem", "warning")}
    return {"sources": sources, "buckets": buckets, "findings": told, **numbers}

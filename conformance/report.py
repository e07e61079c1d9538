"""The compatibility table: what each client did in the last run, written from the tests' own results."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CASES = {
    "list": ("list recursive", "signed list"),
    "folder": ("list with delimiter",),
    "1,000+": ("list thousands",),
    "head": ("head",),
    "get": ("get", "signed get"),
    "range": ("ranged get",),
    "condition": ("not modified", "precondition failed"),
    "copy": ("copy of an image",),
    "again": ("sync again does nothing",),
    "presigned": ("presigned get",),
    "link": ("link",),
    "secret": ("wrong secret",),
    "denied": ("denied bucket",),
    "pixels": ("pixels of every level", "pixels of a crop"),
}
"""What every client is asked, by column, with the tests that ask it."""
MARKS = {"failed": "**no**", "passed": "yes", "skipped": "-"}
RANK = {"failed": 2, "passed": 1, "skipped": 0}


@dataclass
class Row:
    """One client."""

    version: str = ""
    outcomes: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


class Recorder:
    """Collects results of tests whose class or module names a ``CLIENT``."""

    def __init__(self, config: pytest.Config) -> None:
        self.target: Path | None = config.getoption("--compatibility", default=None)
        self.rows: dict[str, Row] = {}
        self.broken = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A client file that is skipped whole: the client is absent."""
        if report.skipped and "clients/test_" in report.nodeid:
            name = Path(report.nodeid).stem.removeprefix("test_").replace("_", "-")
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.rows[name] = Row(version="absent", notes={"absent": reason.removeprefix("Skipped: ")})

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        """Keep the worst outcome of each operation."""
        result = yield
        outcome = result.get_result()
        place = getattr(item, "cls", None) or getattr(item, "module", None)
        client = getattr(place, "CLIENT", None) or getattr(getattr(item, "module", None), "CLIENT", None)
        if client is None or (outcome.when != "call" and outcome.outcome == "passed"):
            return
        version = getattr(place, "VERSION", None) or getattr(item.module, "VERSION", "")  # type: ignore[attr-defined]
        row = self.rows.setdefault(client, Row(version=version() if inspect.isfunction(version) else str(version)))
        operation = item.name.partition("[")[0].removeprefix("test_").replace("_", " ")
        if RANK[outcome.outcome] >= RANK.get(row.outcomes.get(operation, "skipped"), 0):
            row.outcomes[operation] = outcome.outcome
        if outcome.outcome == "skipped" and isinstance(outcome.longrepr, tuple):
            row.notes[operation] = outcome.longrepr[2].removeprefix("Skipped: ")

    def pytest_sessionfinish(self) -> None:
        """Write the table, if one was asked for."""
        if self.target is not None and self.rows:
            self.target.write_text(render(self.rows), encoding="utf-8")


def render(rows: dict[str, Row]) -> str:
    """The tables as a Markdown page."""
    lines = [
        "# Compatibility",
        "",
        "What each client did with a running server when the conformance tests last ran. Every operation is a test in",
        "`conformance/`; pixels are compared with those that tifffile reads from the same file.",
        "",
        "Made by `pytest conformance --compatibility docs/compatibility.md`; not edited by hand.",
        "",
        "## What every client is asked",
        "",
        "*list*: every key below a prefix; *folder*: with a delimiter; *1,000+*: over several pages; *condition*:",
        "If-Match and If-None-Match; *copy*: a whole image, checksums compared; *again*: a second sync transfers",
        "nothing; *presigned*: a URL for one object; *link*: a private image through a link; *secret*: a wrong one is",
        "refused; *denied*: a bucket of somebody else is refused. Empty or `-`: the client has no such operation, or",
        "is asked it through another row; the second table has reasons for `-`.",
        "",
        "| client | " + " | ".join(CASES) + " |",
        "| --- |" + " --- |" * len(CASES),
    ]
    for name, row in sorted(rows.items()):
        cells = [name, *(_mark(row, operations) for operations in CASES.values())]
        if any(cells[1:]):
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Every operation",
        "",
        "| client | version | works | does not work | does not apply |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in sorted(rows.items()):
        by = {mark: [op for op, o in row.outcomes.items() if o == mark] for mark in RANK}
        absent = [f"{op}: {row.notes.get(op, '')}".rstrip(": ") for op in by["skipped"]]
        absent += [f"{what}: {why}" for what, why in row.notes.items() if what == "absent"]
        cells = [name, row.version, ", ".join(by["passed"]), ", ".join(by["failed"]), "; ".join(absent)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") or "-" for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _mark(row: Row, operations: tuple[str, ...]) -> str:
    found = {row.outcomes[operation] for operation in operations if operation in row.outcomes}
    return next((text for outcome, text in MARKS.items() if outcome in found), "")

"""Figures with their goals, and the page that shows them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        what: What was measured.
        value: The number, in ``unit``.
        goal: The bound, None where the figure only informs.
        at_least: Whether the goal is a lower bound.
        detail: The numbers behind it.
        floor: The same number against a bare loop that copies the same bytes, where that was measured.
    """

    what: str
    value: float
    unit: str = ""
    goal: float | None = None
    at_least: bool = True
    detail: str = ""
    floor: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def verdict(self) -> str:
        """``met``, or by how much it is missed."""
        if self.goal is None:
            return ""
        sign = "≥" if self.at_least else "≤"
        aim = f"{sign} {number(self.goal)}"
        if self.met:
            return f"{aim}: met"
        return f"{aim}: **missed by {abs(self.value / self.goal - 1):.0%}**"


def number(value: float) -> str:
    """Three significant digits, thousands in groups."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> str:
    """Processor, cores, memory, kernel and Python."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = platform.release().partition("-")[0]
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {kernel}, Python {platform.python_version()}"


def table(figures: Sequence[Figure], before: str = "") -> str:
    """Figures as a Markdown table, behind the rows of the page ``before`` that they do not measure again."""
    measured = {f.what for f in figures}
    rows = [line for line in before.splitlines() if line.startswith("| ")][2:]
    lines = ["| what | figure | goal | behind it |", "| --- | --- | --- | --- |"]
    lines += [line for line in rows if line.split(" | ")[0].removeprefix("| ") not in measured]
    lines += [
        f"| {f.what} | {number(f.value)} {f.unit} | {f.verdict()} | {f.detail} |".replace("  ", " ") for f in figures
    ]
    return "\n".join(lines)

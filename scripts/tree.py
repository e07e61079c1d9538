"""Writes the tree of modules into ARCHITECTURE.md, from the first line of each docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "s3facade"
PARTS = (
    *("cli", "app", "s3", "auth", "web", "catalog", "config", "engine"),
    *("stores", "readers", "transforms", "codecs", "layouts", "core", "testing"),
)
START, END = "```text\ns3facade/\n", "```"


def first(path: Path) -> str:
    """What a module says it is."""
    line = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
    return line.partition("; ")[0].partition(". ")[0].rstrip(".").replace("``", "").replace("`", "")


def tree() -> str:
    """Top-level modules, then each package with its modules, from the highest floor down."""
    lines = [f"  {p.name:<21} {first(p)}" for p in modules(PACKAGE)]
    for part in PARTS:
        for folder in (PACKAGE / part, *sorted((PACKAGE / part).rglob("*/"))):
            if modules(folder):
                lines.append(f"  {str(folder.relative_to(PACKAGE)) + '/':<21} {first(folder / '__init__.py')}")
                lines += [f"    {p.name:<19} {first(p)}" for p in modules(folder)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def modules(folder: Path) -> list[Path]:
    """Modules of one folder, by name."""
    return [p for p in sorted(folder.glob("*.py")) if p.name != "__init__.py"]


def main() -> None:
    """Replace the block in the file."""
    page = ROOT / "ARCHITECTURE.md"
    before, start, rest = page.read_text("utf-8").partition(START)
    page.write_text(before + start + tree() + END + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()

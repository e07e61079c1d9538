"""``python -m conformance.formats --out docs/formats.md``: every file of the corpus, as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from conformance.formats.examine import corpus, examine, table
from conformance.formats.page import page


def main() -> int:
    """Write the page; 1 if a row must not stand in it."""
    parser = argparse.ArgumentParser(prog="python -m conformance.formats", description=__doc__)
    parser.add_argument("--out", type=Path, help="Markdown page to write; printed if it is not given")
    parser.add_argument("--only", help="part of the paths that are looked at, printed one by one")
    asked = parser.parse_args()
    if asked.only:
        for path in sorted(p for p in corpus().rglob("*") if p.is_file() and asked.only in str(p)):
            row = examine(path)
            print(row.path, row.kind, row.reader, row.reason, f"{row.seconds:.1f} s", *row.images, sep="\n  ")
        return 0
    rows = table()
    text = page(rows)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    bad = [(row.path, row.bad) for row in rows if row.bad]
    for path, why in bad:
        print(f"BAD {path}: {why}")
    slow = sorted(rows, key=lambda r: -r.seconds)[:5]
    print(f"{len(rows)} files, {len(bad)} bad; slowest: {[(r.path, round(r.seconds, 1)) for r in slow]}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())

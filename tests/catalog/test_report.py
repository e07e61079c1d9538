"""What became of files, counted exactly however many there are."""

from pathlib import Path

from s3facade.catalog.sources.report import KEPT, Note, Pile, Tally, reported
from s3facade.config.pattern import compile_pattern
from s3facade.config.settings import SourceConfig

ROOT = Path("/data")


def source(name, text, *skip):
    pattern = compile_pattern(text, ROOT)
    return SourceConfig(name, pattern, skip=tuple(compile_pattern(one, pattern.root) for one in skip))


def test_counts_are_exact_and_the_first_are_kept():
    pile = Pile()
    for n in range(3 * KEPT):
        pile.add(f"f{n}", "" if pile.full else "why")
    notes = pile.notes()
    assert notes.count == 3 * KEPT
    assert len(notes.shown) == KEPT
    assert notes.shown[-1] == Note(f"f{KEPT - 1}", "why")


def test_a_file_belongs_to_whoever_matches_it():
    first, second = Tally(source("a", "x/{n:int}.tif")), Tally(source("b", "{dir}/{name}.tif", "**/*_old.tif"))
    first.left.append(["b.tif", "c_old.tif", "d.png", "sub/"])
    second.left.append(["x/d.png", "x/c_old.tif"])
    report = reported([first, second])
    a, b = report.sources["a"], report.sources["b"]
    assert (a.root, a.pattern, b.root) == ("/data/x", "x/{n:int}.tif", "/data")
    assert [note.about for note in a.unmatched.shown] == ["d.png", "sub/"]
    assert [(note.about, note.sentence) for note in b.unmatched.shown] == [
        ("x/d.png", "fits '{dir}/' as far as 'x/', then 'd.png' has no '.tif' behind '{name}'")
    ]
    assert b.skipped.shown == (Note("x/c_old.tif", "by `skip`: '**/*_old.tif'"),)
    assert report.problems == 0


def test_what_no_reader_recognises_is_told():
    tally = Tally(source("a", "**"))
    tally.left.append(["notes.txt"])
    assert reported([tally]).sources["a"].skipped.shown == (
        Note("notes.txt", "it is no image: no reader recognises it"),
    )


def test_problems_are_counted():
    tally = Tally(source("a", "{n}.tif"))
    tally.ambiguous.add("x")
    tally.rowless.add("y")
    tally.rowless.add("z")
    tally.stacks.add("w")
    tally.fileless.add("row")
    report = reported([tally])
    assert report.problems == 4
    assert [(words, notes.count) for words, notes in report.sources["a"].wrong()] == [
        ("can be read in two ways", 1),
        ("no row in a table", 2),
        ("planes are missing", 1),
    ]

"""Tables of a BIDS view, filled image by image from captures and columns of other tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from s3facade.catalog.arrange.bids_facts import PHOTO
from s3facade.catalog.arrange.bids_names import Named
from s3facade.catalog.arrange.desk import Desk
from s3facade.config.views.bids import BidsColumn, BidsView, derived
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids.schema import schema
from s3facade.layouts.bids.tables import MISSING, Column, Rows, cell

TSV = "text/tab-separated-values"
JSON = "application/json"


PARTICIPANTS, SAMPLES, SESSIONS, SCANS = "participants", "samples", "sessions", "scans"


@dataclass(frozen=True, slots=True)
class Row:
    """What one image says in one table."""

    table: str
    """`PARTICIPANTS`, `SAMPLES`, `SESSIONS` or `SCANS`."""
    whose: str
    """The subject whose sessions the table tells of, or the path of a table of images; see `Tables`."""
    key: tuple[str, ...]
    values: tuple[str | None, ...] | str
    """Of the other columns; or a sentence on why there are none."""
    file: str
    """What it is called in sentences."""
    path: str
    """Absolute."""
    detail: str = ""
    """What only the operator may see of the sentence."""


@dataclass
class Tables:
    """``participants.tsv``, ``samples.tsv``, tables of sessions and of images."""

    view: BidsView
    desk: Desk
    participants: Rows
    samples: Rows
    sessions: dict[str, Rows] = field(default_factory=dict)
    """By label of the subject."""
    scans: dict[str, Rows] = field(default_factory=dict)
    """By path of each table, without what all end in."""
    warned: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, view: BidsView, desk: Desk) -> Tables:
        """Tables without rows."""
        participants = Rows(("participant_id",), _columns(view.participants))
        return cls(view, desk, participants, Rows(("sample_id", "participant_id"), _columns(view.samples)))

    def add(self, rows: Iterable[Row]) -> None:
        """What images say about their subjects, sessions and samples."""
        for row in rows:
            if isinstance(row.values, str):
                self._broken(row, row.values, row.detail)
                continue
            for sentence in self._table(row).add(row.key, row.values, row.file):
                self._broken(row, sentence)

    def _table(self, row: Row) -> Rows:
        if row.table == PARTICIPANTS:
            return self.participants
        if row.table == SAMPLES:
            return self.samples
        scans = row.table == SCANS
        tables = self.scans if scans else self.sessions
        table = tables.get(row.whose)
        if table is None:
            first, columns = ("filename", self.view.scans) if scans else ("session_id", self.view.sessions)
            table = tables[row.whose] = Rows((first,), _columns(columns))
        return table

    def write(self) -> None:
        """Put them into the plan. Those of a derivative in a raw data set are the raw one's, unless it says more."""
        inner = derived(self.view.path)
        if self.participants.known and (self.view.participants or not inner):
            self._write("participants", self.participants)
        if self.samples.known and any(column.name == "sample_type" for column in self.view.samples):
            self._write("samples", self.samples)
        for subject, table in sorted(self.sessions.items()):
            self.desk.write(self._key(f"{subject}/{subject}_sessions.tsv"), table.tsv(), TSV)
        told = next(iter(self.sessions.values())).document() if self.sessions else b""
        if told:
            self.desk.write(self._key("sessions.json"), told, JSON)
        for place, table in sorted(self.scans.items()):
            self.desk.write(self._key(f"{place}_scans.tsv"), table.tsv(), TSV)
        about = next(iter(self.scans.values())).document() if self.scans else b""
        if about:
            self.desk.write(self._key("scans.json"), about, JSON)

    def _write(self, name: str, table: Rows) -> None:
        self.desk.write(self._key(f"{name}.tsv"), table.tsv(), TSV)
        told = table.document()
        if told:
            self.desk.write(self._key(f"{name}.json"), told, JSON)

    def _key(self, path: str) -> str:
        return f"{self.view.root}/{path}" if self.view.root else path

    def _broken(self, row: Row, sentence: str, detail: str = "") -> None:
        if sentence not in self.warned:
            self.warned.add(sentence)
            self.desk.broken(row.path, sentence, detail)


class Told:
    """What some images of a view say, each thing once."""

    __slots__ = ("_seen", "_view", "rows")

    def __init__(self, view: BidsView) -> None:
        self._view = view
        self._seen: set[tuple[object, ...]] = set()
        self.rows: list[Row] = []
        """In order of images."""

    def add(self, named: Named) -> None:
        """What one image says about its subject, session and sample, and about itself."""
        entities, view = named.name.entities, self._view
        subject = f"sub-{entities['sub']}"
        self._row(PARTICIPANTS, "", (subject,), view.participants, named)
        if "sample" in entities:
            self._row(SAMPLES, "", (f"sample-{entities['sample']}", subject), view.samples, named)
        if "ses" in entities and view.sessions:
            self._row(SESSIONS, subject, (f"ses-{entities['ses']}",), view.sessions, named)
        if view.scans and named.name.suffix != PHOTO:
            # The table of an image is that of its session, or of its subject (BIDS, scans file).
            above, _, datatype = named.name.folder.rpartition("/")
            file = f"{datatype}/{named.name.stem}{named.name.extension}"
            self._row(SCANS, f"{above}/{above.replace('/', '_')}", (file,), view.scans, named)

    def _row(self, table: str, whose: str, key: tuple[str, ...], columns: Sequence[BidsColumn], named: Named) -> None:
        captures = named.candidate.captures
        # Thousands of images say the same of one subject; what was said is not looked at again.
        said = (table, whose, key, *[captures.get(name) for column in columns for name in column.value.names])
        if said in self._seen:
            return
        self._seen.add(said)
        values: tuple[str | None, ...] | str
        detail = ""
        try:
            values = tuple([_value(column, captures) for column in columns])
        except ConfigError as error:
            values, detail = f"{' of '.join(key)}: {error}.", error.private
        self.rows.append(Row(table, whose, key, values, named.file, named.candidate.recipe.path, detail))


def _value(column: BidsColumn, captures: Mapping[str, object]) -> str | None:
    """What an image says in a column; None where it does not know. Raises `ConfigError`."""
    if not column.value.names:
        return _constant(column.value.text)
    if any(captures.get(name) is None for name in column.value.names):
        return None
    found = cell(column.value.fill(captures))
    return None if found == MISSING else found


@lru_cache(maxsize=256)
def _constant(text: str) -> str:
    return cell(text)


def _columns(columns: Sequence[BidsColumn]) -> tuple[Column, ...]:
    return tuple(Column(c.name, c.description or _origin(c), c.units, c.levels) for c in columns)


def _origin(column: BidsColumn) -> str:
    """What is said of a column that the standard does not know, where the operator says nothing."""
    return "" if schema().column(column.name) else f"{column.value.text}, as it is called where it is from."

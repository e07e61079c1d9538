"""Tables of a BIDS view, filled image by image from captures and columns of other tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    seen: set[tuple[object, ...]] = field(default_factory=set)
    """Keys of rows with what images have said of them."""

    @classmethod
    def of(cls, view: BidsView, desk: Desk) -> Tables:
        """Tables without rows."""
        participants = Rows(("participant_id",), _columns(view.participants))
        return cls(view, desk, participants, Rows(("sample_id", "participant_id"), _columns(view.samples)))

    def add(self, named: Named) -> None:
        """What one image says about its subject, session and sample."""
        entities, captures = named.name.entities, named.candidate.captures
        subject = f"sub-{entities['sub']}"
        self._row(self.participants, (subject,), self.view.participants, captures, named)
        if "sample" in entities:
            key = (f"sample-{entities['sample']}", subject)
            self._row(self.samples, key, self.view.samples, captures, named)
        if "ses" in entities and self.view.sessions:
            table = self.sessions.get(subject)
            if table is None:
                table = self.sessions[subject] = Rows(("session_id",), _columns(self.view.sessions))
            self._row(table, (f"ses-{entities['ses']}",), self.view.sessions, captures, named)
        if self.view.scans and named.name.suffix != PHOTO:
            self._scan(named)

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

    def _scan(self, named: Named) -> None:
        """What is known of one image: its table is that of its session, or of its subject (BIDS, scans file)."""
        above, _, datatype = named.name.folder.rpartition("/")
        place = f"{above}/{above.replace('/', '_')}"
        table = self.scans.get(place)
        if table is None:
            table = self.scans[place] = Rows(("filename",), _columns(self.view.scans))
        file = f"{datatype}/{named.name.stem}{named.name.extension}"
        self._row(table, (file,), self.view.scans, named.candidate.captures, named)

    def _write(self, name: str, table: Rows) -> None:
        self.desk.write(self._key(f"{name}.tsv"), table.tsv(), TSV)
        told = table.document()
        if told:
            self.desk.write(self._key(f"{name}.json"), told, JSON)

    def _key(self, path: str) -> str:
        return f"{self.view.root}/{path}" if self.view.root else path

    def _row(
        self,
        table: Rows,
        key: tuple[str, ...],
        columns: Sequence[BidsColumn],
        captures: Mapping[str, object],
        named: Named,
    ) -> None:
        # Thousands of images say the same of one subject; what was said is not looked at again.
        said = (id(table), key, *[captures.get(name) for column in columns for name in column.value.names])
        if said in self.seen:
            return
        self.seen.add(said)
        try:
            values = [_value(column, captures) for column in columns]
        except ConfigError as error:
            self._broken(named, f"{' of '.join(key)}: {error}.", error.private)
            return
        for sentence in table.add(key, values, named.file):
            self._broken(named, sentence)

    def _broken(self, named: Named, sentence: str, detail: str = "") -> None:
        if sentence not in self.warned:
            self.warned.add(sentence)
            self.desk.broken(named.candidate.recipe.path, sentence, detail)


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

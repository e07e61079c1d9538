"""Sources of a configuration: patterns compiled, tables read, every name in them checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from s3facade.config import model as m
from s3facade.config import places
from s3facade.config.document import Document, Path_
from s3facade.config.joins import JoinConfig, joined
from s3facade.config.models.source import JoinModel, SourceModel
from s3facade.config.pattern import Captured, Pattern, absolute, compile_pattern
from s3facade.config.settings import ALWAYS, ChannelConfig, SourceConfig, StackConfig
from s3facade.config.steps import read_step
from s3facade.config.tables import Table, read_table
from s3facade.config.template import unknown_name
from s3facade.core.errors import ConfigError

Problem = Callable[[Path_, object], None]


class Sources:
    """Makes all sources; whatever is wrong is told."""

    def __init__(self, document: Document, stores: Mapping[str, m.StoreModel], problem: Problem) -> None:
        self._document = document
        self._stores = stores
        self._problem = problem
        self._base = document.path.parent
        self._tables: dict[tuple[Path, str | None], Table] = {}
        self.vague: set[str] = set()
        """Sources of patterns or tables that cannot be used: which captures and columns there are is not known."""

    def source(self, name: str, c: SourceModel) -> SourceConfig:
        """One source; a stand-in, and a problem told, if nothing can be said about its files."""
        at: Path_ = ("sources", name)
        files = file = None
        try:
            if c.files is not None:
                files = places.pattern(c.files, self._base, self._stores)
                self._listing(c, files)
            if c.file is not None:
                place = places.split(c.file, self._stores)
                file = self._absolute(c.file) if place is None else Path(f"{place[0]}:/{place[1]}")
        except ConfigError as error:
            self._problem((*at, "files" if c.file is None else "file"), error)
            self.vague.add(name)
            return SourceConfig(name, file=self._base)
        captures = {} if files is None else files.captures
        for taken in {*captures} & {*ALWAYS}:
            self._problem((*at, "files"), f"{{{taken}}} is captured for every file already; choose another name")
        joins, unclear = self._joins(at, c, captures)
        columns = [column for one in joins for column in one.columns]
        if len(joins) < len(c.join):
            self.vague.add(name)
        return SourceConfig(
            name,
            files,
            file,
            None if c.synthetic is None else {"shape": c.synthetic.shape, "dtype": c.synthetic.dtype},
            self._skip(at, c, files),
            c.pixel_size,
            c.series,
            c.reader,
            dict(c.options),
            c.isolate,
            None if c.list_ is None else self._absolute(c.list_),
            self._values(at, c, captures, columns),
            joins,
            unclear,
            self._stack(at, c, captures),
            self._channels(at, c, captures),
        )

    def _absolute(self, text: str) -> Path:
        return absolute(text, self._base)

    def _skip(self, at: Path_, c: SourceModel, files: Pattern | None) -> tuple[Pattern, ...]:
        out = []
        for i, text in enumerate(c.skip if files else ()):
            try:
                out.append(compile_pattern(text, files.root if files else self._base))
            except ConfigError as error:
                self._problem((*at, "skip", i), error)
        return tuple(out)

    def _listing(self, c: SourceModel, files: Pattern) -> None:
        """Web servers list nothing; folders of this machine need no list. Raises `ConfigError`."""
        store = self._stores.get(str(files.root).partition(":")[0]) if not files.root.is_absolute() else None
        if store is None and c.list_ is not None:
            raise ConfigError("`list` goes with files of a store only; remove it")
        if store is not None and not store.url.startswith("s3:") and c.list_ is None:
            raise ConfigError("a web server does not tell which files it has; name them in a text file with `list:`")

    def _joins(
        self, at: Path_, c: SourceModel, captures: Mapping[str, type[Captured]]
    ) -> tuple[tuple[JoinConfig, ...], Mapping[str, str]]:
        """The joins, and why some columns cannot be used by name."""
        configs: list[JoinConfig] = []
        owner: dict[str, int] = {}
        unclear: dict[str, str] = {}
        for i, model in enumerate(c.join):
            here = (*at, "join", i)
            table = self._table(here, model)
            if table is None or not self._by(here, model, captures, table):
                continue
            config = JoinConfig(table.path, dict(model.by), model.missing, model.sheet, self._document.where(here))
            try:
                joined(config, table)
            except ConfigError as error:
                self._problem((*here, "table"), error)
                continue
            configs.append(config)
            for column in table.columns:
                if column in captures or column in ALWAYS:
                    continue  # what the file's own name says comes first
                if column in owner:
                    first = configs[owner[column]].table.name
                    unclear[column] = f"is a column of {first} and of {table.path.name}; rename one of the two"
                else:
                    owner[column] = len(configs) - 1
        for i, config in enumerate(configs):
            mine = self._tables[config.table, config.sheet].columns
            names = tuple(c for c in mine if owner.get(c) == i and c not in unclear)
            configs[i] = replace(config, columns=names)
        return tuple(configs), unclear

    def _table(self, at: Path_, model: JoinModel) -> Table | None:
        key = (self._absolute(model.table), model.sheet)
        try:
            far = places.split(model.table, self._stores) is not None
            if not far and key not in self._tables:
                self._tables[key] = read_table(*key)
        except ConfigError as error:
            self._problem((*at, "table"), error)
            return None
        if far:
            self._problem((*at, "table"), "must be a file of this machine; copy it beside the configuration")
            return None
        return self._tables[key]

    def _by(self, at: Path_, model: JoinModel, captures: Collection[str], table: Table) -> bool:
        before = len(model.by)
        for capture, column in model.by.items():
            here = (*at, "by", capture)
            if capture not in captures:
                self._problem(here, unknown_name(capture, "capture", list(captures)))
            elif column not in table.columns:
                self._problem(here, unknown_name(column, f"column of {table.path.name}", table.columns))
            else:
                before -= 1
        return not before

    def _values(
        self, at: Path_, c: SourceModel, captures: Mapping[str, type[Captured]], columns: Collection[str]
    ) -> Mapping[str, Mapping[str, str]]:
        for name, labels in c.values.items():
            if name not in captures and name not in columns and at[-1] not in self.vague:
                known = [*captures, *columns]
                self._problem((*at, "values", name), unknown_name(name, "capture or column", known))
            met: set[int] = set()
            for raw in labels if captures.get(name) is int else ():
                here = (*at, "values", name, raw)
                if not re.fullmatch("[0-9]+", raw):
                    self._problem(here, f"{name!r} is a whole number and never {raw!r}")
                elif int(raw) in met:
                    self._problem(here, "is the same number as another one; keep one")
                else:
                    met.add(int(raw))
        return c.values

    def _stack(self, at: Path_, c: SourceModel, captures: Collection[str]) -> tuple[StackConfig, ...]:
        """From the innermost to the outermost."""
        out = []
        for axis in ("z", "c", "t"):
            capture = (c.stack or {}).get(axis)
            if capture is None:
                continue
            here = (*at, "stack", axis)
            if capture not in captures:
                self._problem(here, unknown_name(capture, "capture", list(captures)))
                continue
            options: dict[str, object] = {"along": axis}
            if axis == "z" and "z" in c.pixel_size:
                options["spacing"] = f"{c.pixel_size['z']!r} um"
            out.append(StackConfig(axis, capture, read_step("stack", options, self._document, here)))
        return tuple(out)

    def _channels(
        self, at: Path_, c: SourceModel, captures: Mapping[str, type[Captured]]
    ) -> Mapping[str, ChannelConfig]:
        capture = (c.stack or {}).get("c")
        whole = capture is not None and captures.get(capture) is int
        out: dict[str, ChannelConfig] = {}
        for raw, channel in c.channels.items():
            here = (*at, "channels", raw)
            key = raw
            if whole or capture is None:
                if not re.fullmatch("[0-9]+", raw):
                    self._problem(here, f"{capture or 'a channel'!r} is a whole number and never {raw!r}")
                    continue
                key = str(int(raw))
            if key in out:
                self._problem(here, "is the same number as another one; keep one")
            if channel.name is None and (whole or capture is None):
                self._problem((*here, "name"), "is missing; add it")
            out[key] = ChannelConfig(channel.name or raw, channel.color)
        if capture is None and out and list(out) != [str(n + 1) for n in range(len(out))]:
            sentence = "no capture is stacked along c: count the channels of a file from 1, in order, or add `stack`"
            self._problem((*at, "channels"), sentence)
        return out

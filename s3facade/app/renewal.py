"""Another configuration, taken on: checked by the parent, planned and shown by each worker."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from s3facade import remotes
from s3facade.app.background import aside
from s3facade.auth import configured
from s3facade.auth.authenticator import Authenticator
from s3facade.catalog.catalog import Catalog
from s3facade.core.errors import ConfigError, FacadeError
from s3facade.reload import Board, News, Written, now, told

log = logging.getLogger("s3facade")


def renew(catalog: Catalog, written: Written, board: Board) -> bool:
    """Read the configuration file again; what is wrong with it is logged and told, and changes nothing. Blocking."""
    news = board.read()
    if written.path is None:
        return False
    try:
        written.seen()
        text, modified = written.text()
        settings = written.settings(text, modified)
        remotes.renew(settings)
        # Here as well: workers that are forked later begin with it.
        catalog.adopt(catalog.planned(settings))
        catalog.engine.rest()
    except ConfigError as error:
        log.error("the configuration stays as it was: %s", error.explain())  # noqa: TRY400 - the user's mistake
        board.write(replace(news, error=error.explain()))
        return False
    board.write(News(text, modified, news.number + 1))
    if fixed := written.fixed(text, modified):
        log.warning("what changed in the configuration is in use; not so until a restart: %s", ", ".join(fixed))
    return True


class Renewal:
    """Takes on what the parent has found good, in one worker: planned aside, shown all at once."""

    def __init__(self, catalog: Catalog, door: Authenticator, written: Written, board: Board) -> None:
        self.due = asyncio.Event()
        self.since = now()
        """When what is shown was taken on."""
        self.board = board
        self._catalog = catalog
        self._door = door
        self._written = written
        self._number = board.read().number
        """Of what the parent was showing when it forked."""

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.due.wait()
            self.due.clear()
            news = self.board.read()
            if news.number == self._number:
                continue
            try:
                settings = self._written.settings(news.text, news.modified)
                remotes.renew(settings)
                planned = await aside(partial(self._catalog.planned, settings))
            except FacadeError as error:
                # The parent could do it: something has changed in between, and the parent will notice.
                log.warning("worker %d goes on with the configuration as it was: %s", os.getpid(), error.explain())
                continue
            # Nothing is waited for in between: no request sees the buckets of one and the keys of the other.
            self._catalog.adopt(planned)
            configured.renew(self._door, settings)
            self._number, self.since = news.number, now()

    def status(self) -> Mapping[str, str | None]:
        """For the status page."""
        return told(self.board.read(), self.since, self._catalog.settings)

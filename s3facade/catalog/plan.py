"""From configuration to mounts: which files there are, and at which prefix each of them is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from s3facade.catalog.arrange import apart, arc, bids, bids_existing, collections, crates, files, images, plates
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.arrange.unmatched import arrange as arrange_unmatched
from s3facade.catalog.contents import Plan
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.sources.candidates import Candidates, Known
from s3facade.catalog.sources.mapping import Tables
from s3facade.catalog.sources.walk import Files
from s3facade.config.settings import BucketConfig, Settings
from s3facade.config.views.bids import BidsView
from s3facade.config.views.bids_existing import BidsExistingView
from s3facade.config.views.collection import CollectionView, CrateView
from s3facade.config.views.files import FilesView
from s3facade.config.views.image import ImageView
from s3facade.config.views.plate import PlateView
from s3facade.core.errors import SourceError
from s3facade.engine.engine import Engine

ARRANGERS: Mapping[type, Callable[[Any, Desk], None]] = {
    ImageView: images.arrange,
    FilesView: files.arrange,
    PlateView: plates.arrange,
    BidsView: bids.arrange,
    BidsExistingView: bids_existing.arrange,
    CrateView: crates.arrange,
    CollectionView: collections.arrange,
}
"""What fills the plan, by kind of view."""
LAST = (CrateView, CollectionView)
"""They describe what the other views show, wherever they stand among them."""

WALKING = (BidsExistingView,)
"""They look at folders by themselves."""


class Planner:
    """Makes mounts of what there is. Remembers what it found out about folders and files until they change.

    Args:
        settings: What is wanted.
        engine: What reads files.
        before: The planner of an earlier configuration: what it knows about files is taken over.
    """

    def __init__(self, settings: Settings, engine: Engine, before: Planner | None = None) -> None:
        self._settings = settings
        self._engine = engine
        self.files: Files = Files(engine.index, before.files if before else None)
        self._tables = Tables()
        self._known = Known()

    def plan(self, bucket: BucketConfig, shown: Mapping[str, Mount] | None = None, *, thorough: bool = False) -> Plan:
        """What ``bucket`` holds now. Blocking.

        Args:
            bucket: Its configuration.
            shown: What it shows already, by key: what would be the same is taken over, open as it is.
            thorough: Whether each file is compared with what it was, and not the times of folders alone.

        Raises:
            ConfigError: The configuration contradicts itself.
            SourceUnavailable: A folder cannot be looked at now; nothing is known about what it holds.
        """
        plan = Plan()
        groups = partial(self.files.met, plan=plan, thorough=thorough)
        candidates = Candidates(self._settings, groups, plan, self._tables, self._known)
        desk = Desk(self._settings, self._engine, candidates, plan, shown or {})
        for last in (False, True):
            for view in bucket.views:
                if isinstance(view, LAST) is last:
                    ARRANGERS[type(view)](view, desk)
            if not last:
                arc.arrange(desk)
                apart.separate(plan)
                for view in bucket.views:
                    if isinstance(view, BidsView) and "ro-crate" in view.also:
                        crates.bids(view, desk)
        if bucket.unmatched is not None:
            arrange_unmatched(bucket.unmatched, desk)
        apart.separate(plan)
        return plan

    def settled(self, bucket: BucketConfig, plan: Plan) -> bool:
        """Whether making a plan again would surely give the same, since no file of it has changed. Blocking."""
        if not plan.tallies or any(isinstance(view, WALKING) for view in bucket.views):
            return False
        sources = [self._settings.sources[name] for name in plan.tallies if name in self._settings.sources]
        try:
            return not plan.watch.trusting and not plan.watch.moved() and self.files.settled(sources)
        except (OSError, SourceError):
            # Whoever walks the folders says what is wrong with them.
            return False

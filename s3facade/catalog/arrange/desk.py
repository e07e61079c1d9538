"""What arrangers work with: what there is, and the plan of the bucket that they fill."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from s3facade import registry
from s3facade.catalog.arrange.arc_tables import Part
from s3facade.catalog.contents import Broken, Late, Plan
from s3facade.catalog.images.mount import NOTHING, Judge, Mount
from s3facade.catalog.images.recipe import FaultyRecipe, Pipeline, Recipe, Step
from s3facade.catalog.sources.batch import Batch, Candidate
from s3facade.catalog.sources.candidates import Candidates
from s3facade.config.settings import Settings, StepConfig
from s3facade.config.template import Template
from s3facade.core.errors import ConfigError
from s3facade.core.protocols import Layout
from s3facade.engine.engine import Engine
from s3facade.layouts.documents import literal_file

LONGEST = 900
"""Bytes of a key or prefix: S3 has 1024, and keys of chunks and documents lie below those of images."""
LONG = LONGEST // 4
"""Characters that are as many bytes at most."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One bucket in the making. Blocking: candidates are found by walking folders."""

    settings: Settings
    engine: Engine
    candidates: Candidates
    plan: Plan
    shown: Mapping[str, Mount] = field(default_factory=dict)
    """What the bucket shows already, by key: what would be the same is taken over, open as it is."""
    assayed: list[Part] = field(default_factory=list)
    """Data sets that are assays of the bucket's ARC."""

    def of(self, name: str) -> list[Candidate]:
        """Every image of a source or pipeline, in order of path."""
        return self.candidates.of(name)

    def batches(self, name: str) -> Sequence[Batch]:
        """The same, in parts that are arranged anew only if something in them has changed."""
        return self.candidates.batches(name)

    def apart(self) -> Desk:
        """A desk for one part of the bucket: its plan is empty."""
        return replace(self, plan=Plan())

    def fits(self, part: Plan) -> bool:
        """Whether the bucket has none of a part's keys yet."""
        own = (self.plan.mounts, self.plan.documents, self.plan.late, self.plan.files)
        more = (part.mounts, part.documents, part.late, part.files)
        return all(a.keys().isdisjoint(b) for a in own if a for b in more if b)

    def take(self, part: Plan) -> None:
        """Put a part that `fits` into the bucket."""
        plan = self.plan
        plan.mounts.update(part.mounts)
        plan.documents.update(part.documents)
        plan.late.update(part.late)
        plan.files.update(part.files)
        plan.broken += part.broken

    def show(
        self,
        key: str,
        candidate: Candidate,
        layout: Layout,
        *,
        labels: Mapping[str, Recipe] | None = None,
        about: Mapping[str, object] | None = None,
        told: bool = True,
        sampled: bool = False,
        dtype: str | None = None,
        judge: Judge | None = None,
    ) -> bool:
        """Show an image at a prefix, or at a key if ``layout`` is one of single files.

        Args:
            key: Without a final slash; "" is the root of the bucket.
            candidate: The image, or the images of one file.
            layout: How it is shown.
            labels: Label images by name.
            about: What the operator says about it: `Dataset.about`.
            told: Whether it shows how it was made.
            sampled: Whether levels that would read too much show samples.
            dtype: Cast to this type.
            judge: Says what is wrong with it once it is open; that is told among what is broken.

        Returns:
            False if something else is shown there: that is told among what is broken.
        """
        if not self._free(key, candidate.recipe.path):
            return False
        recipe = candidate.recipe
        if dtype is not None and not isinstance(recipe, FaultyRecipe):
            recipe = Pipeline("", (recipe,), (_cast(dtype),))
        self._mount(key, recipe, layout, labels, about, told=told, sampled=sampled, judge=judge)
        return True

    def beside(
        self, key: str, candidate: Candidate, layout: Layout, *, about: Mapping[str, object] | None = None
    ) -> bool:
        """Show a document about an image, which is opened when the document is asked for; as `show`."""
        if not self._free(key, candidate.recipe.path):
            return False
        self._mount(key, candidate.recipe, layout, None, about, told=False, beside=True)
        return True

    def write(self, key: str, data: bytes, media_type: str, modified: int = 0) -> bool:
        """Show a text that follows from names and tables alone.

        Args:
            key: Of the object.
            data: UTF-8.
            media_type: As ``application/json``.
            modified: Nanoseconds since 1970 of the newest table behind it; the configuration file's time if later.
        """
        if not self._free(key, ""):
            return False
        self.plan.documents[key] = literal_file(data, media_type, max(modified, self.settings.modified))
        return True

    def later(
        self,
        key: str,
        make: Callable[[], bytes],
        media_type: str,
        tag: str,
        modified: int = 0,
        *,
        state: Callable[[], tuple[str, int]] | None = None,
        waits: bool = False,
    ) -> bool:
        """Show a document that takes a while to make: made when it is first looked at.

        Args:
            key: Of the object.
            make: Gives its bytes, the same ones for equal tags; blocking, raises `SourceError`.
            media_type: As ``text/csv``.
            tag: Digest of all that it is made of.
            modified: As of `write`.
            state: Of a document that changes although the plan does not: a digest of what it is made of now, and
                when that changed last. Blocking; asked for once a second at most.
            waits: Whether listings leave it out until it was made, in the background or since somebody asked for it.
        """
        if not self._free(key, ""):
            return False
        modified = max(modified, self.settings.modified)
        self.plan.late[key] = Late(make, media_type, modified, tag, state, waits=waits)
        return True

    def copy(self, key: str, path: str | Path) -> bool:
        """Show a file of this machine or of a store as it is."""
        if not self._free(key, str(path)):
            return False
        self.plan.files[key] = str(path)
        return True

    def filled(self, candidate: Candidate, *templates: Template) -> list[str] | None:
        """Templates with the values of an image; None, and told, where one is missing or makes no key."""
        try:
            return [template.fill(candidate.captures) for template in templates]
        except ConfigError as error:
            self.broken(candidate.recipe.path, f"It is not shown: {error}.", error.private)
            return None

    def broken(self, path: str, reason: str, detail: str = "") -> None:
        """Something is not shown, or not as it should be.

        Args:
            path: Of the file; may be empty.
            reason: A sentence that may be shown to anybody.
            detail: What only the operator may see.
        """
        self.plan.broken.append(Broken(path, reason, detail))

    def _mount(
        self,
        key: str,
        recipe: Recipe,
        layout: Layout,
        labels: Mapping[str, Recipe] | None,
        about: Mapping[str, object] | None,
        *,
        told: bool = True,
        sampled: bool = False,
        beside: bool = False,
        judge: Judge | None = None,
    ) -> None:
        labels, about = labels or NOTHING, about or NOTHING
        before = self.shown.get(key)
        if before is None or not before.shows(
            recipe, layout, labels, told=told, sampled=sampled, about=about, beside=beside, judge=judge
        ):
            before = Mount(
                self.engine,
                recipe,
                layout,
                labels,
                self.settings.modified,
                told=told,
                sampled=sampled,
                about=about,
                beside=beside,
                judge=judge,
            )
        self.plan.mounts[key] = before

    def _free(self, key: str, path: str) -> bool:
        plan = self.plan
        if len(key) > LONG and len(key.encode()) > LONGEST:
            sentence = (
                f"It is not shown: its key {key[:60] + '…'!r} is longer than {LONGEST} bytes, and S3 has few more."
            )
            self.broken(path, sentence)
            return False
        taken = plan.mounts.get(key)
        # Asked for each of hundreds of thousands.
        if taken is None and key not in plan.documents and key not in plan.late and key not in plan.files:
            return True
        other = taken.recipe.path if taken is not None else plan.files.get(key, "")
        what = repr(os.path.basename(other)) if other else "a document"
        self.broken(path, f"Its keys {key!r} are those of {what} already.", other)
        return False


def _cast(dtype: str) -> Step:
    """The last step of a view that asks for another type."""
    return Step(StepConfig("cast", {"dtype": dtype}, "", Path(), registry.transform("cast")(dtype)))

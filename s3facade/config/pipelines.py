"""The images of a configuration: steps read, references checked, and which captures each of them has."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace

from s3facade import registry
from s3facade.config import model as m
from s3facade.config.document import Document, Path_
from s3facade.config.pattern import absolute
from s3facade.config.settings import ALWAYS, ImageConfig, SourceConfig, StepConfig
from s3facade.config.steps import read_step
from s3facade.config.template import unknown_name
from s3facade.config.tiamat import read_pipeline
from s3facade.core.errors import ConfigError, SourceError

Problem = Callable[[Path_, object], None]
MOST = 64
"""Steps on the way to an image, and images: each is a call inside of another."""


class Pipelines:
    """All images; wants every source and image of the configuration, and which sources have unknown captures."""

    def __init__(
        self,
        config: m.ConfigModel,
        sources: Mapping[str, SourceConfig],
        document: Document,
        problem: Problem,
        vague: Container[str] = (),
    ) -> None:
        self._vague = vague
        self._config = config
        self._problem = problem
        self._document = document
        self.sources = dict(sources)
        """Those of the configuration, and files that pipelines of tiamat name."""
        self._captures = {name: source.captures | {*ALWAYS} for name, source in sources.items()}
        own = {name for source in sources.values() if source.files for name in source.files.captures}
        self._apart = {*ALWAYS} | ({name for source in sources.values() for name in source.columns} - own)
        """Names that images are not joined by: two tables need not write them alike."""
        self._straight: set[str] = set()
        """Images that lead into no circle."""
        self.images: dict[str, ImageConfig] = {}
        for name, c in config.images.items():
            self.images[name] = self._image(name, c)
        self._every = [*config.sources, *config.images]
        for name in config.images:
            self._check(name)

    def captures(self) -> Mapping[str, frozenset[str]]:
        """Names that each source and image gives values for."""
        for name in self.images:
            self._known(name)
        return self._captures

    def _image(self, name: str, c: m.ImageModel) -> ImageConfig:
        at: Path_ = ("images", name)
        if name in self._config.sources:
            self._problem(at, f"a source is called {name!r} too; give the image another name")
        steps = []
        for i, (step, value) in enumerate(c.steps):
            here: Path_ = (*at, "steps", i, step)
            there = here if here in self._document.lines else here[:-1]  # a bare name has no key of its own
            steps += self._step(step, value, there)
        image = ImageConfig(name, tuple(c.from_), tuple(steps), tuple(c.group or ()))
        return image if c.tiamat is None else self._with_tiamat(image, c.tiamat, (*at, "tiamat"))

    def _step(self, name: str, value: object, at: Path_) -> list[StepConfig]:
        try:
            return [read_step(name, value, self._document, at)]
        except ConfigError as error:
            for line in str(error).splitlines():
                self._problem((), line)
            return []

    def _with_tiamat(self, image: ImageConfig, file: str, at: Path_) -> ImageConfig:
        """The image with the steps of a pipeline of tiamat before its own."""
        try:
            found = read_pipeline(absolute(file, self._document.path.parent), image.name)
        except ConfigError as error:
            for line in str(error).splitlines():
                self._problem(at, line)
            return image
        for name, path in found.masks.items():
            self.sources[name] = SourceConfig(name, file=path)
            self._captures[name] = frozenset(ALWAYS)

        def read(steps: Sequence[tuple[str, object]]) -> list[StepConfig]:
            return [step for name, value in steps for step in self._step(name, value, at)]

        steps = (*read(found.steps), *image.steps)
        if found.stack is None:
            return replace(image, steps=steps)
        if not image.group:
            self._problem(at, "reads a stack: say which capture tells its sections apart, as in `group: section`")
            return replace(image, steps=steps)
        if found.each:
            each = ImageConfig(f"{image.name}: sections", image.sources, tuple(read(found.each)))
            self.images[each.name] = each
            image = replace(image, sources=(each.name,))
        return replace(image, steps=(*read([("stack", found.stack)]), *steps))

    def _known(self, name: str, above: tuple[str, ...] = ()) -> frozenset[str]:
        """Captures of a source or image; nothing for names that lead nowhere or in a circle."""
        if name in self._captures:
            return self._captures[name]
        if name not in self.images or name in above:
            return frozenset()
        image = self.images[name]
        found = frozenset[str]().union(*(self._known(s, (*above, name)) for s in image.sources))
        if image.group:
            found -= {*image.group, *ALWAYS}
        if not above or name in self._straight:
            self._captures[name] = found
        return found

    def _check(self, name: str) -> None:
        image = self.images[name]
        at: Path_ = ("images", name)
        if (circle := self._circle(name)) is not None:
            self._problem((*at, "from"), f"goes in a circle: {' → '.join(circle)}")
            return
        if self._way(name) > MOST:
            self._problem(at, f"goes through more than {MOST} steps or images; leave some out")
            self._captures[name] = frozenset()  # nobody goes down there again
            return
        for target in image.sources:
            if not self._is(target):
                self._problem((*at, "from"), unknown_name(target, "source or image", self._every))
        for step in image.steps:
            for target in step.others:
                if not self._is(target):
                    self._problem((), f"{step.where}: {unknown_name(target, 'source or image', self._every)}")
        if not all(map(self._is, self._targets(image))) or self._unsure(name):
            return
        self._joins(at, image)
        self._steps(at, image)

    def _unsure(self, name: str) -> bool:
        """Whether it is made of a source whose captures are not known."""
        met, ahead = {name}, [name]
        while ahead:
            here = ahead.pop()
            if here in self._vague:
                return True
            targets = self._targets(self.images[here]) if here in self.images else []
            ahead += [target for target in targets if target not in met]
            met.update(targets)
        return False

    def _is(self, name: str) -> bool:
        return name in self._every or name in self.sources or name in self.images

    def _joins(self, at: Path_, image: ImageConfig) -> None:
        first, *rest = image.sources
        before = frozenset[str]().union(*(self._known(s) for s in image.sources))
        for capture in image.group:
            if capture not in before - {*ALWAYS}:
                known = sorted(before - {*ALWAYS})
                self._problem((*at, "group"), unknown_name(capture, f"capture of {first!r}", known))
        if image.group and rest:
            self._problem((*at, "group"), "goes with one source or image; make one image of the list first")
        for other in rest:
            self._shares((*at, "from"), self._known(first), other)
        for step in image.steps:
            for other in step.others:
                self._shares(step.where, self._known(image.name), other)

    def _shares(self, at: Path_ | str, mine: frozenset[str], other: str) -> None:
        mine, theirs = mine - self._apart, self._known(other) - self._apart
        if mine and theirs and not mine & theirs:
            sentence = f"{other!r} shares no capture with the image: give both patterns the same {{name}}"
            self._problem((), f"{at}: {sentence}") if isinstance(at, str) else self._problem(at, sentence)

    def _steps(self, at: Path_, image: ImageConfig) -> None:
        if (image.group or len(image.sources) > 1) and not (image.steps and image.steps[0].combines):
            names = ", ".join(combinations()) or "none is installed"
            self._problem((*at, "steps"), f"the first step must make one image of several: {names}")
        known_here = self._known(image.name)
        for step in image.steps:
            for capture in sorted(step.captures - known_here):
                known = [*sorted(known_here - {*ALWAYS}), *(a for a in ALWAYS if a in known_here)]
                self._problem((), f"{step.where}: {unknown_name(capture, 'capture', known)}")

    def _targets(self, image: ImageConfig) -> list[str]:
        return [*image.sources, *(o for step in image.steps for o in step.others)]

    def _circle(self, name: str, above: tuple[str, ...] = ()) -> list[str] | None:
        """The way from ``name`` back to it, if there is one of at most `MOST` images."""
        if name in above:
            return [*above, name]
        if name in self._straight or len(above) > MOST:
            return None
        image = self.images.get(name)
        ways: Iterator[list[str] | None] = (
            self._circle(target, (*above, name)) for target in (self._targets(image) if image else ())
        )
        found = next((way for way in ways if way is not None), None)
        if found is None:
            self._straight.add(name)
        return found

    def _way(self, name: str) -> int:
        """Steps on the longest way to an image, its own included; more than `MOST` if it leads through so many images.

        Goes from image to image at once, not into them: there may be as many ways as there are subsets of steps.
        """
        longest, ways = 0, {name: 0}
        for _ in range(MOST):
            ahead: dict[str, int] = {}
            for here, before in ways.items():
                image = self.images.get(here)
                if image is not None:
                    count = before + len(image.steps)
                    longest = max(longest, count)
                    for target in self._targets(image):
                        ahead[target] = max(ahead.get(target, 0), count)
            if not ahead:
                return longest
            ways = ahead
        return MOST + 1


def combinations() -> list[str]:
    """Names of registered combinations."""
    found = []
    for name in registry.names("transforms"):
        try:
            if hasattr(registry.transform(name), "needs"):
                found.append(name)
        except SourceError:
            continue
    return found

"""A Python function of the operator's own, called on blocks."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, cast

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.extents import Extents, in_voxels
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.filters.neighbours import grown
from s3facade.transforms.values.common import changed

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Python:
    """A function from array to array of the same shape, applied to blocks with a halo that is cut off afterwards.

    The function is called as ``function(block, **options)``: all axes of the image, C-order, read-only. A voxel of its
    result may depend on voxels up to ``halo`` away and on nothing else: not on the size of the block, its place, or
    numbers taken over all of it. It runs in the server, with the server's rights, in several threads at once. Whoever
    writes the configuration chooses it; requests cannot.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    function: str
    """Where it is: `package.module:function`, importable by the server."""
    halo: Extents = ()
    """How far it looks, as in `5 px` or `{y: 2 um, x: 2 um}`; default: every voxel by itself."""
    dtype: str | None = None
    """Type that it gives; default: that of the image."""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Keyword arguments."""
    revision: str = "1"
    """Change it whenever the function would give other voxels: caches and ETags cannot see that."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """``source`` with voxels of ``dtype``. Raises `Unsupported` if there is no such function."""
        _function(self.function)
        in_voxels(self.halo, source, 0, "halo")
        dtype = self._dtype(source)
        return changed(source, dtype, None, approximate=self.approximate, keep=dtype == source.dtype)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The box and its halo, rounded up to whole voxels."""
        halo = [int(np.ceil(h)) for h in in_voxels(self.halo, source, level, "halo")]
        return grown(source, level, region, halo)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """What the function gives, without the halo.

        Raises:
            BadSource: The function failed, or gave an array of another shape or type than was declared.
        """
        if block is None:
            raise ValueError("a function needs the voxels of its source")
        given = block.view()
        given.flags.writeable = False
        made = self._made(given)
        dtype = self._dtype(source)
        if made.shape != block.shape or made.dtype != dtype:
            raise BadSource(
                f"The function {self.function} gave {made.dtype} voxels of shape {made.shape} where {dtype} voxels of "
                f"shape {block.shape} were declared; correct `dtype`, or the function."
            )
        box = self.need(source, level, region).region
        return np.ascontiguousarray(made[region.slices(box.start)])

    def _made(self, block: Block) -> Block:
        try:
            return np.asarray(_function(self.function)(block, **self.options))
        except (Exception, SystemExit) as error:
            # Not our code: whatever it raises is its failure, and not that of the server or its process.
            last = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
            raise BadSource(f"The function {self.function} failed; the server's log says how.", private=said) from error

    def _dtype(self, source: Spec) -> np.dtype[Any]:
        try:
            dtype = np.dtype(self.dtype) if self.dtype is not None else source.dtype
        except TypeError as error:
            raise Unsupported(f"{self.dtype!r} is no data type; use a name such as uint16 or float32.") from error
        if dtype.kind not in "biufc":
            raise Unsupported(f"Voxels cannot be of type {dtype}; use a name such as uint16 or float32.")
        return dtype.newbyteorder("=")


@lru_cache(maxsize=256)
def _function(path: str) -> Function:
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise Unsupported(f"`function` must be as in 'package.module:function', not {path!r}.")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Unsupported(f"The function {path!r} cannot be imported: {error}.") from error
    if not callable(found):
        raise Unsupported(f"{path!r} is no function.")
    return cast(Function, found)

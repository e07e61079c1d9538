"""Neural networks in ONNX files, applied region by region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, SourceDenied, Unsupported
from s3facade.core.extents import Extents, in_voxels
from s3facade.core.image import Image, Source, derive
from s3facade.core.operators import Block, Need
from s3facade.core.options import ParameterFile
from s3facade.core.region import Region
from s3facade.core.spec import Channel, Spec
from s3facade.transforms.resampling.parameters.source import source_of, unchanged
from s3facade.transforms.values.channel_axis import channel_at, with_channels
from s3facade.transforms.values.common import changed, quantities

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    **{f"tensor({name})": name for name in ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")},
}


@dataclass(frozen=True, slots=True)
class Onnx:
    """The first output of a network whose one input is a batch of images, (batch, channel, y, x) or (…, z, y, x).

    All channels go in at once; time points, and planes for a network of y and x, one after the other. Its output has
    the same y and x (and z), and a channel axis of its own. Needs ``pip install s3facade[onnx]``.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    model: ParameterFile
    """The `.onnx` file."""
    halo: Extents
    """How far an output voxel looks: half the receptive field, as in `32 px`. Too little gives seams."""
    multiple: int = 1
    """Boxes given to the network begin and end at multiples of this many voxels; at the far edge, the outermost voxel
    is repeated. A network that halves its image n times needs 2 to the power of n."""
    labels: bool = False
    """Whether its output are names of classes or objects, not quantities."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result; networks know one size of things."""

    def build(self, image: Image) -> Image:
        """The network's output.

        Raises:
            Unsupported: The network does not fit the image, or onnxruntime is not installed.
            SourceError: The file cannot be read.
        """
        file = source_of(self.model)
        step = Inference(file, _digest(file), self.halo, self.multiple, self.labels, self.approximate)
        return derive(image, step)


@dataclass(frozen=True, slots=True)
class Inference:
    """`Onnx` with a file of known content.

    Regions differ from the whole by the rounding of float32 alone, some 1e-6 of the values.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True

    model: Source
    digest: str
    """Of the file's bytes."""
    halo: Extents
    multiple: int = 1
    labels: bool = False
    approximate: bool = False

    @property
    def files(self) -> tuple[Source, ...]:
        """The model."""
        return (self.model,)

    def spec(self, source: Spec) -> Spec:
        """``source`` with the network's channels and type. Raises `Unsupported`."""
        quantities(source, "onnx")
        network = _network(self.model, self.digest)
        if self.multiple < 1:
            raise Unsupported(f"`multiple` must be at least 1, not {self.multiple}.")
        if network.channels not in {None, source.length("c")}:
            raise Unsupported(f"The network takes {network.channels} channels, and the image has {source.length('c')}.")
        if any(name not in source.names for name in network.axes):
            raise Unsupported("The network takes volumes, and the image has no axis z.")
        in_voxels(self.halo, source, 0, "halo")
        spec = changed(source, np.dtype(network.gives), None, approximate=self.approximate)
        attrs = {**spec.attrs, "categorical": True} if self.labels else spec.attrs
        channels = source.channels if network.made == len(source.channels) else (Channel(),) * network.made
        channels = tuple(Channel(c.name, c.color, None, c.active) for c in channels)
        spec = replace(spec, attrs=attrs, channels=channels)
        return spec if source.axis("c") is None and network.made == 1 else with_channels(spec, channels)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """All channels of the box, its halo, and what lies between that and the next multiples."""
        spaces = _network(self.model, self.digest).axes
        start, stop = [], []
        ends = self._ends(source, region)
        for name, halo, length in zip(
            source.names, in_voxels(self.halo, source, level, "halo"), source.levels[level].shape, strict=True
        ):
            if name == "c":
                start.append(0)
                stop.append(length)
                continue
            first, last = ends[name]
            if name in spaces:
                reach = int(np.ceil(halo))
                first = max(0, first - reach) // self.multiple * self.multiple
                last = min(length, -(-(last + reach) // self.multiple) * self.multiple)
            start.append(first)
            stop.append(last)
        return Need(level, Region(tuple(start), tuple(stop)))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """The network's output for the box.

        Raises:
            SourceChanged: The model's file is not the one that was described.
            BadSource: The network fails, or gives another size than it gets.
        """
        if block is None:
            raise ValueError("a network needs the voxels of its source")
        network = _network(self.model, self.digest)
        box = self.need(source, level, region).region
        first: dict[str, int] = dict(zip(source.names, box.start, strict=True))
        ends = self._ends(source, region)
        wanted = tuple(slice(ends[n][0] - first[n], ends[n][1] - first[n]) for n in network.axes)
        names = [n for n in source.names if n != "c"]
        at = source.axis("c")
        shown = slice(*ends["c"]) if "c" in ends else slice(0, network.made)
        out = np.empty(
            (*(ends[n][1] - ends[n][0] for n in names[: -len(network.axes)]), network.made, *_sizes(wanted)),
            network.gives,
        )
        apart = block[None] if at is None else np.moveaxis(block, at, 0)
        for index in _outer(apart.shape[1 : -len(network.axes)]):
            out[index] = self._run(network, apart[_in_all(index)])[:, *wanted]
        # Channels stand before the network's axes; they go where the image has them.
        made = np.moveaxis(out, len(names) - len(network.axes), 0)[shown]
        if len(region.start) == len(names):
            return np.ascontiguousarray(made[0])
        return np.ascontiguousarray(np.moveaxis(made, 0, channel_at(source)))

    def _run(self, network: Network, image: Block) -> Block:
        """The output, (channels, axes of the network), for one image of the same axes."""
        padding = [(0, 0), *((0, -n % self.multiple) for n in image.shape[1:])]
        whole = np.pad(image, padding, "edge") if any(b for _, b in padding) else image
        given = np.ascontiguousarray(whole[None], network.takes)
        made: Block = network.run(given)
        if made.shape != (1, network.made, *whole.shape[1:]):
            raise BadSource(f"The network gave an array of shape {made.shape} for one of shape {given.shape}.")
        result: Block = made[0]
        return result

    def _ends(self, source: Spec, region: Region) -> dict[str, tuple[int, int]]:
        """First voxel and end of the region, by axis of the result."""
        names: list[str] = list(source.names)
        if "c" not in names and len(region.start) > len(names):
            names.insert(channel_at(source), "c")
        return {name: (a, b) for name, a, b in zip(names, region.start, region.stop, strict=True)}


@dataclass(frozen=True, slots=True)
class Network:
    """A loaded network, and what it says about itself. Thread-safe."""

    session: Any
    axes: tuple[str, ...]
    takes: str
    gives: str
    channels: int | None
    """How many it takes; None: any number."""
    made: int
    """How many it gives."""

    def run(self, given: Block) -> Block:
        """Its first output. Raises `BadSource` if it fails on this array."""
        try:
            (made,) = self.session.run([self.session.get_outputs()[0].name], {self.session.get_inputs()[0].name: given})
        except _failures() as error:
            raise BadSource(
                f"The network fails on an array of shape {given.shape}; is `multiple` right?", private=str(error)
            ) from error
        result: Block = made
        return result


@lru_cache(maxsize=64)
def _digest(file: Source) -> str:
    return blake2b(_bytes(file), digest_size=16).hexdigest()


def _bytes(file: Source) -> bytes:
    try:
        with open(file.path, "rb") as opened:
            data = opened.read()
    except OSError as error:
        raise SourceDenied("The model of a network cannot be read.", private=f"{file.path}: {error}") from error
    unchanged(file)
    return data


@lru_cache(maxsize=8)
def _network(file: Source, digest: str) -> Network:  # noqa: ARG001 - by content
    try:
        import onnxruntime
    except ImportError as error:
        raise Unsupported("`onnx` needs onnxruntime; install it with: pip install s3facade[onnx]") from error
    options = onnxruntime.SessionOptions()
    # The engine has its own threads; and memory that a large region took goes back after it.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(_bytes(file), options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise Unsupported(
            "The model is no network that onnxruntime can load.", private=f"{file.path}: {error}"
        ) from error
    return described(session)


def described(session: Any) -> Network:
    """What a network takes and gives.

    Raises:
        Unsupported: Not one batch of images in, or not images out.
    """
    inputs, made = session.get_inputs(), session.get_outputs()[0]
    if len(inputs) != 1 or len(inputs[0].shape) not in {4, 5} or len(made.shape) != len(inputs[0].shape):
        raise Unsupported(
            "The network must take one array (batch, channel, y, x) or (batch, channel, z, y, x) and give one alike."
        )
    if inputs[0].type not in _TYPES or made.type not in _TYPES:
        raise Unsupported(f"The network takes {inputs[0].type} and gives {made.type}, which images cannot be.")
    channels, outputs = inputs[0].shape[1], made.shape[1]
    if not isinstance(outputs, int):
        raise Unsupported("The network does not state how many channels it gives; export it with a fixed number.")
    axes: tuple[Literal["z", "y", "x"], ...] = ("z", "y", "x") if len(made.shape) == 5 else ("y", "x")
    taken = channels if isinstance(channels, int) else None
    return Network(session, axes, _TYPES[inputs[0].type], _TYPES[made.type], taken, outputs)


def _failures() -> tuple[type[BaseException], ...]:
    """What onnxruntime raises: classes of its own, without a common one but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "EPFail",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "RuntimeException",
    )
    return tuple(getattr(state, name) for name in names if hasattr(state, name))


def _in_all(index: tuple[int, ...]) -> tuple[int | slice, ...]:
    """One image of every channel."""
    return (slice(None), *index)


def _outer(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return product(*map(range, shape))


def _sizes(slices: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in slices)

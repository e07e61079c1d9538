"""Functions and networks of the user's own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from pydantic import TypeAdapter

from s3facade.core.errors import BadSource, SourceChanged, SourceNotFound, Unsupported
from s3facade.core.extents import extents
from s3facade.core.image import apply_step, derive, sources
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.filters.callable import Python
from s3facade.transforms.filters.onnx import Onnx

PIXELS = extents({"y": "2 px", "x": "2 px"})


def opened(block, size=3):
    """A grey opening of y and x."""
    return scipy.ndimage.grey_opening(block, (1,) * (block.ndim - 2) + (size, size))


def wide(block):
    return block.astype(np.float64)


def short(block):
    return block[..., 1:]


def rude(block):
    block += 1
    return block


def gone(block):
    raise SystemExit(3)


HERE = f"{__name__}:"


@settings(max_examples=30)
@given(st.data())
def test_the_law_of_functions(data):
    image = data.draw(images(dtypes=["uint8", "float32"]))
    made = check_law(Python(HERE + "opened", PIXELS), image, data)
    np.testing.assert_array_equal(whole(made), opened(whole(image)))


def test_a_halo_that_is_too_small_is_found():
    image = in_memory(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8))

    @settings(database=None, phases=[Phase.generate])
    @given(st.data())
    def run(data):
        check_law(Python(HERE + "opened", options={"size": 5}), image, data)

    with pytest.raises(AssertionError, match="in the whole it is"):
        run()


def test_what_a_function_gives_is_checked():
    image = in_memory(np.zeros((6, 6), np.uint8))
    assert whole(derive(image, Python(HERE + "wide", dtype="float64"))).dtype == np.float64
    for name in ("wide", "short"):
        with pytest.raises(BadSource, match=name):
            whole(derive(image, Python(HERE + name)))
    for name, why in (("rude", "ValueError: .*read-only"), ("gone", "SystemExit: 3")):
        with pytest.raises(BadSource, match=f"{name} failed") as caught:
            whole(derive(image, Python(HERE + name)))
        assert re.search(why, caught.value.explain())


def test_every_option_counts():
    name = HERE + "opened"
    check_identities(
        [
            Python(name),
            Python(HERE + "wide"),
            Python(name, PIXELS),
            Python(name, dtype="int8"),
            Python(name, options={"size": 5}),
            Python(name, revision="2"),
        ],
        in_memory(np.zeros((6, 6), np.uint8)),
    )
    read = TypeAdapter(Python).validate_python
    assert read({"function": name, "halo": "2 px", "options": {"size": 5}}).options == {"size": 5}


@pytest.mark.parametrize("path", ["os", "no.such:thing", "os:nothing", "os:sep"])
def test_functions_that_are_not_there(path):
    with pytest.raises(Unsupported, match=r"function|imported"):
        derive(in_memory(np.zeros((2, 2), np.uint8)), Python(path))


KERNELS = np.random.default_rng(2).normal(size=(3, 2, 5, 5)).astype(np.float32)


def save(path, nodes, weights, channels, made, axes, taken=TensorProto.FLOAT):
    names = [f"n{i}" for i in range(axes)]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("in", taken, [1, channels, *names])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, made, *names])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def conv(folder):
    """Two channels to three, 5 x 5."""
    node = helper.make_node("Conv", ["in", "w"], ["out"], pads=[2, 2, 2, 2])
    return save(folder / "conv.onnx", [node], {"w": KERNELS}, 2, 3, 2)


@pytest.fixture(scope="module")
def pooled(folder):
    """Halves its image, convolves, doubles it: as a U-Net does."""
    nodes = [
        helper.make_node("MaxPool", ["in"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["a", "w"], ["b"], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["b", "", "s"], ["out"], mode="nearest"),
    ]
    weights = {"w": KERNELS[:1, :1, 1:4, 1:4].copy(), "s": np.array([1, 1, 2, 2], np.float32)}
    return save(folder / "pooled.onnx", nodes, weights, 1, 1, 2)


@pytest.fixture(scope="module")
def volume(folder):
    node = helper.make_node("Conv", ["in", "w"], ["out"], pads=[1, 0, 0, 1, 0, 0])
    weights = {"w": np.full((1, 1, 3, 1, 1), 1 / 3, np.float32)}
    return save(folder / "volume.onnx", [node], weights, 1, 1, 3)


DTYPES = ["uint8", "uint16", "float32"]


@settings(max_examples=25)
@given(st.data())
def test_the_law_of_a_network(conv, data):
    image = data.draw(images(axes=["cyx", "tczyx"], dtypes=DTYPES).filter(lambda i: i.spec.length("c") == 2))
    made = check_law(Onnx(conv, PIXELS), image, data, tolerance=1e-5)
    assert made.spec.length("c") == 3


@settings(max_examples=25)
@given(st.data())
def test_the_law_of_a_network_that_halves_its_image(pooled, data):
    image = data.draw(images(axes=["yx", "zyx", "tyx"], dtypes=DTYPES))
    halo = extents({"y": "4 px", "x": "4 px"})
    made = check_law(Onnx(pooled, halo, 2), image, data, tolerance=1e-5)
    assert made.spec.names == image.spec.names


@settings(max_examples=15)
@given(st.data())
def test_the_law_of_a_network_for_volumes(volume, data):
    image = data.draw(images(axes=["zyx", "czyx"], dtypes=DTYPES).filter(lambda i: i.spec.length("c") == 1))
    check_law(Onnx(volume, extents({"z": "1 px"})), image, data, tolerance=1e-5)


def test_a_convolution_is_that_of_scipy(conv):
    source = np.random.default_rng(0).random((2, 20, 21), np.float32)
    image = apply_step(in_memory(source, axes="cyx"), Onnx(conv, PIXELS))
    expected = [
        sum(scipy.ndimage.correlate(source[i], KERNELS[k, i], mode="constant") for i in range(2)) for k in range(3)
    ]
    np.testing.assert_allclose(whole(image), expected, rtol=1e-4, atol=1e-4)


def test_another_model_is_another_image(conv, folder):
    image = in_memory(np.zeros((2, 9, 9), np.float32), axes="cyx")
    path = folder / "changing.onnx"
    path.write_bytes(Path(conv).read_bytes())
    step = Onnx(str(path), PIXELS)
    first = apply_step(image, step)
    assert str(path) in {s.path for s in sources(first)}
    node = helper.make_node("Conv", ["in", "w"], ["out"], pads=[2, 2, 2, 2])
    save(path, [node], {"w": KERNELS * 2}, 2, 3, 2)
    assert apply_step(image, step).spec.identity != first.spec.identity
    check_identities([Onnx(conv, PIXELS), Onnx(conv, extents("3 px")), Onnx(conv, PIXELS, 4)], image)
    labels = apply_step(image, Onnx(conv, PIXELS, labels=True))
    assert labels.spec.attrs["categorical"] is True


def test_what_does_not_fit_is_named(conv, volume, folder):
    image = in_memory(np.zeros((2, 9, 9), np.float32), axes="cyx")
    one = in_memory(np.zeros((9, 9), np.float32))
    with pytest.raises(Unsupported, match="takes 2 channels"):
        apply_step(one, Onnx(conv, PIXELS))
    with pytest.raises(Unsupported, match="volumes"):
        apply_step(one, Onnx(volume, PIXELS))
    with pytest.raises(Unsupported, match="multiple"):
        apply_step(image, Onnx(conv, PIXELS, 0))
    with pytest.raises(SourceNotFound):
        apply_step(image, Onnx(str(folder / "none.onnx"), PIXELS))
    bad = folder / "bad.onnx"
    bad.write_bytes(b"not a network")
    with pytest.raises(Unsupported, match="no network"):
        apply_step(image, Onnx(str(bad), PIXELS))
    shrinking = helper.make_node("Conv", ["in", "w"], ["out"])
    smaller = save(folder / "smaller.onnx", [shrinking], {"w": KERNELS}, 2, 3, 2)
    with pytest.raises(BadSource, match="gave an array"):
        whole(apply_step(image, Onnx(smaller, PIXELS)))


def test_a_model_that_is_replaced_before_it_is_loaded_is_an_error(conv, folder):
    from s3facade.transforms.filters.onnx import _bytes
    from s3facade.transforms.resampling.parameters.source import source_of

    path = folder / "replaced.onnx"
    path.write_bytes(Path(conv).read_bytes())
    then = source_of(str(path))
    path.write_bytes(b"other")
    with pytest.raises(SourceChanged):
        _bytes(then)

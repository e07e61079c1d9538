"""Chains: equal to the composition of points, interpolated once; RFC-5 in JSON and YAML; ITK as oracle."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - as its documentation has it
import zarr
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import sources
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.resampling.affine import Affine
from s3facade.transforms.resampling.chain import Chain
from s3facade.transforms.resampling.displacement import Displacement
from s3facade.transforms.resampling.maps import Map
from s3facade.transforms.resampling.onto import Lengths, Onto
from s3facade.transforms.resampling.warp import Warp

A = ((1.0, 0.1, 3.0), (-0.1, 0.9, 2.0))
B = ((0.9, 0.0, -1.0), (0.2, 1.0, 0.5))


def smooth(shape):
    grid = np.indices(shape).astype(float)
    return 100 + 40 * np.sin(grid * 0.37).prod(0) + grid.sum(0)


def wavy(shape, amplitude):
    n = len(shape)
    grid = np.indices(shape).astype(float)
    return np.stack([amplitude * np.sin(0.7 * grid[(k + 1) % n] + k) * np.cos(0.3 * grid[k]) for k in range(n)])


def both(first, second):
    """``first``, then ``second``; x first."""
    last = [[0.0, 0.0, 1.0]]
    product = np.array([*second, *last]) @ np.array([*first, *last])
    return tuple(tuple(map(float, row)) for row in product[:2])


def test_matrices_become_one():
    image = in_memory(smooth((30, 40)), scale=(0.5, 0.7), origin=(3.0, 4.0), units=True)
    made = Chain((Map(A), Map(B))).build(image)
    assert isinstance(made.transform, Warp)
    np.testing.assert_allclose(whole(made), whole(Affine(both(A, B)).build(image)), atol=1e-6)
    back = Chain((Map(B), Map(A)), maps="input-to-output").build(image)
    expected = Affine(both(B, A), maps="input-to-output").build(image)
    np.testing.assert_allclose(whole(back), whole(expected), atol=1e-6)


RFC = [
    ({"type": "identity"}, np.eye(3)[:2]),
    ({"type": "scale", "scale": [2, 0.5]}, [[2, 0, 0], [0, 0.5, 0]]),
    ({"type": "translation", "translation": [3, -4]}, [[1, 0, 3], [0, 1, -4]]),
    ({"type": "rotation", "rotation": [[0.8, -0.6], [0.6, 0.8]]}, [[0.8, -0.6, 0], [0.6, 0.8, 0]]),
    ({"type": "affine", "affine": [[1, 2, 3], [0, 5, 6]]}, [[1, 2, 3], [0, 5, 6]]),
    ({"type": "mapAxis", "mapAxis": {"y": "x", "x": "y"}}, [[0, 1, 0], [1, 0, 0]]),
    ({"type": "mapAxis", "mapAxis": [1, 0]}, [[0, 1, 0], [1, 0, 0]]),
    (
        {"type": "sequence", "transformations": [
            {"type": "scale", "scale": [2, 3]}, {"type": "translation", "translation": [1, 1]},
        ]},
        [[2, 0, 1], [0, 3, 1]],
    ),
    ({"type": "inverseOf", "transformation": {"type": "scale", "scale": [4, 2]}}, [[0.25, 0, 0], [0, 0.5, 0]]),
    (
        {"type": "bijection", "forward": {"type": "scale", "scale": [4, 2]},
         "inverse": {"type": "scale", "scale": [0.25, 0.5]}},
        [[4, 0, 0], [0, 2, 0]],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), RFC)
def test_rfc_5(tmp_path, value, expected):
    image = in_memory(smooth((30, 40)), units=True)
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"input": "a", "output": "b", "name": "n", **value}))
    made = Chain(str(path)).build(image)
    np.testing.assert_allclose(made.transform.matrix, expected, atol=1e-12)
    assert str(path) in {s.path for s in sources(made)}
    back = Chain(str(path), maps="input-to-output").build(image).transform.matrix
    np.testing.assert_allclose(np.vstack([back, [0, 0, 1]]) @ np.vstack([expected, [0, 0, 1]]), np.eye(3), atol=1e-12)
    path.write_text(json.dumps([value, {"type": "translation", "translation": [10, 20]}]))
    shifted = Chain(str(path)).build(image).transform.matrix
    np.testing.assert_allclose(np.array(shifted) - expected, [[0, 0, 10], [0, 0, 20]], atol=1e-12)


def test_a_field_between_matrices_is_interpolated_once(tmp_path):
    """As ITK's composite does it."""
    shape, size = (16, 30, 33), (7, 9, 8)
    image = in_memory(smooth(shape), scale=(1500.0, 900.0, 1000.0), units=True)
    field = sitk.GetImageFromArray(np.moveaxis(wavy(size, 2.0), 0, -1), isVector=True)
    field.SetSpacing((3.5, 4.5, 4.0))
    sitk.WriteImage(field, str(tmp_path / "warp.nii.gz"))
    first = sitk.Euler3DTransform((10.0, 10.0, 10.0), 0.05, 0.1, -0.1, (0.5, 0, 0))
    last = sitk.AffineTransform((1, 0.1, 0, 0, 1.1, 0, 0.1, 0, 0.9), (1, 2, 1), (9, 8, 7))
    sitk.WriteTransform(first, str(tmp_path / "first.txt"))
    sitk.WriteTransform(last, str(tmp_path / "last.mat"))
    made = Chain(
        (Map(str(tmp_path / "first.txt")), Map(field=str(tmp_path / "warp.nii.gz")), Map(str(tmp_path / "last.mat")))
    ).build(image)
    assert len(set(sources(made))) == 4
    composite = sitk.CompositeTransform(3)
    for transform in (last, sitk.DisplacementFieldTransform(field), first):
        composite.AddTransform(transform)
    moving = sitk.GetImageFromArray(whole(image))
    moving.SetSpacing((1.0, 0.9, 1.5))
    expected = sitk.GetArrayFromImage(sitk.Resample(moving, moving, composite, sitk.sitkLinear, 0.0))
    assert (~np.isclose(whole(made), expected, rtol=0, atol=2e-4)).mean() < 2e-3


def ngff(folder, array, *, kind, version, unit="micrometer", first=False):
    """A multiscale image whose voxels are vectors, 2 units apart, the first one at (4, 6)."""
    array = array if first else np.moveaxis(array, 0, -1)
    stored = zarr.create_array(
        folder / "0", shape=array.shape, chunks=(4,) * array.ndim, dtype=array.dtype, zarr_format=3
    )
    stored[...] = array
    space = [{"name": n, "type": "space", "unit": unit} for n in "yx"]
    vector = [{"name": "d", "type": kind}]
    steps = [
        {"type": "scale", "scale": [1, 2, 2] if first else [2, 2, 1]},
        {"type": "translation", "translation": [0, 4, 6] if first else [4, 6, 0]},
    ]
    if version == "0.6":
        steps = [{"type": "sequence", "transformations": steps}]
    axes = vector + space if first else space + vector
    about = {"datasets": [{"path": "0", "coordinateTransformations": steps}]}
    about |= {"axes": axes} if version == "0.5" else {"coordinateSystems": [{"name": "s", "axes": axes}]}
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"multiscales": [about]}}}
    (folder / "zarr.json").write_text(json.dumps(document))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("version", ["0.5", "0.6"])
def test_rfc_5_displacements(tmp_path, version, first):
    image = in_memory(smooth((30, 40)), units=True)
    array = wavy((12, 15), 2.0)
    (tmp_path / "d").mkdir()
    ngff(tmp_path / "d", array, kind="displacement", version=version, first=first)
    np.save(tmp_path / "f.npy", array)
    expected = Displacement(
        str(tmp_path / "f.npy"), spacing=2.0, origin=_at(6.0, 4.0), order="zyx", components="first"
    ).build(image)
    (tmp_path / "t.json").write_text(json.dumps({"type": "displacements", "path": "d", "interpolation": "linear"}))
    made = Chain(str(tmp_path / "t.json")).build(image)
    np.testing.assert_allclose(whole(made), whole(expected), atol=1e-6)
    (tmp_path / "u.json").write_text(
        json.dumps({"type": "inverseOf", "transformation": {"type": "displacements", "path": "d"}})
    )
    turned = Chain(str(tmp_path / "u.json"), maps="input-to-output").build(image)
    np.testing.assert_array_equal(whole(turned), whole(made))
    with pytest.raises(Unsupported, match="backwards"):
        Chain(str(tmp_path / "u.json")).build(image)


def _at(x, y):
    from s3facade.transforms.resampling.onto import Positions

    return Positions(x=x, y=y)


def test_rfc_5_coordinates(tmp_path):
    image = in_memory(smooth((30, 40)), units=True)
    y, x = np.indices((12, 15)) * 2.0
    (tmp_path / "d").mkdir()
    ngff(tmp_path / "d", np.stack([y + 4 + 3, x + 6 - 2]), kind="coordinate", version="0.5", first=True)
    made = Chain((Map(type="coordinates", path=str(tmp_path / "d")),), outside=-1).build(image)
    got = whole(made)
    np.testing.assert_allclose(got[4:26, 6:34], whole(image)[7:29, 4:32], atol=1e-6)
    assert (got[:3] == -1).all()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_law(tmp_path_factory, data):
    image = data.draw(images(units=True, axes=["yx", "cyx", "tcyx"]))
    method = data.draw(st.sampled_from(["nearest", "linear"]))
    if image.spec.dtype.kind == "b" and method != "nearest":
        reject()
    folder = tmp_path_factory.mktemp("chain")
    steps = [Map(A), Map(B)]
    for i in range(data.draw(st.integers(0, 2))):
        path = folder / f"{i}.npy"
        np.save(path, wavy((data.draw(st.integers(1, 12)), 9), 1.5))
        steps.insert(data.draw(st.integers(0, 2)), Map(field=str(path), spacing=1.3, components="first"))
    check_law(
        Chain(tuple(steps), method=method, onto=data.draw(st.sampled_from([None, Onto(Lengths(x=0.4))]))), image, data
    )


def test_what_cannot_be_is_said_at_once(tmp_path):
    image = in_memory(smooth((8, 9)), units=True)
    np.save(tmp_path / "f.npy", np.zeros((2, 8, 9)))
    field = Map(field=str(tmp_path / "f.npy"))
    for steps, told in [
        ((Map(),), "one of them"),
        ((Map(A, type="identity"),), "one of them"),
        ((Map(type="scale", scale=(1.0, 2.0, 3.0)),), "needs numbers for the axes y, x"),
        ((Map(type="scale"),), "needs `scale`"),
        ((Map(type="mapAxis", mapAxis={"y": "y"}),), "must name all"),
        ((Map(type="mapAxis", mapAxis=(0, 0)),), "in one place"),
        ((Map(A, unit="voxel"),), "for `affine`"),
        ((Map(field="x", maps="input-to-output"),), "are for matrices"),
    ]:
        with pytest.raises(Unsupported, match=told):
            Chain(steps).build(image)
    with pytest.raises(Unsupported, match="backwards"):
        Chain((field,), maps="input-to-output").build(image)
    with pytest.raises(Unsupported, match="fit: true"):
        Chain((field,), onto=Onto(fit=True)).build(image)
    for text, error, told in [
        ("{", BadSource, "no JSON"), ("[3]", BadSource, "no mapping"),
        ('{"type": "byDimension"}', Unsupported, "byDimension"), ('{"kind": 3}', Unsupported, "'kind'"),
        ('{"type": "scale", "scale": 2}', BadSource, "not written as"),
        ('{"type": "sequence", "transformations": 2}', BadSource, "not written as"),
    ]:  # fmt: skip
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(error, match=told):
            Chain(str(tmp_path / "t.json")).build(image)


def test_identities_differ(tmp_path):
    np.save(tmp_path / "f.npy", wavy((8, 9), 1.0))
    image = in_memory(smooth((8, 9)), units=True)
    field = Map(field=str(tmp_path / "f.npy"))
    check_identities(
        [Chain((Map(A),)), Chain((Map(B),)), Chain((Map(A), Map(B))), Chain((Map(B), Map(A))), Chain((field,)),
         Chain((field, Map(A))), Chain((Map(A), field)), Chain((Map(A), field), outside=1.0)],
        image,
    )  # fmt: skip

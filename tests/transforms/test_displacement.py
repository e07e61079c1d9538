"""Displacement fields: ITK writes them and warps, we read them and warp; the law; memory."""

from __future__ import annotations

import gzip
import tracemalloc

import h5py
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - as its documentation has it
import zarr
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, SourceChanged, SourceNotFound, Unsupported
from s3facade.core.image import sources
from s3facade.core.region import Region
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.resampling.displacement import Displacement
from s3facade.transforms.resampling.onto import Counts, Lengths, Onto, Positions
from s3facade.transforms.resampling.parameters import vectors

MM = 1000.0


def wavy(shape, amplitude):
    """Smooth vectors: (*shape, components), x first."""
    n = len(shape)
    grid = np.indices(shape).astype(float)
    parts = [amplitude * np.sin(0.7 * grid[(k + 1) % n] + k) * np.cos(0.3 * grid[k]) for k in range(n)]
    return np.stack(parts, -1)


def field_image(shape, spacing, origin, amplitude, direction=None):
    image = sitk.GetImageFromArray(wavy(shape, amplitude), isVector=True)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction)
    return image


def by_itk(array, level, transform, grid, *, method=sitk.sitkLinear, outside=0.0):
    """ITK in millimetres, us in micrometres."""
    n = array.ndim
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([s / MM for s in level.scale[-n:][::-1]])
    image.SetOrigin([o / MM for o in level.origin[-n:][::-1]])
    out = sitk.Resample(
        image, grid.shape[-n:][::-1], transform, method, [o / MM for o in grid.origin[-n:][::-1]],
        [s / MM for s in grid.scale[-n:][::-1]], np.eye(n).ravel().tolist(), outside,
    )  # fmt: skip
    return sitk.GetArrayFromImage(out)


def smooth(shape):
    grid = np.indices(shape).astype(float)
    return 100 + 40 * np.sin(grid * 0.37).prod(0) + grid.sum(0)


CASES = {
    2: {"shape": (9, 11), "spacing": (3.5, 4.5), "origin": (-2.0, 1.0), "amplitude": 2.0},
    3: {"shape": (7, 9, 8), "spacing": (3.5, 4.5, 4.0), "origin": (-2.0, 1.0, 0.5), "amplitude": 2.0},
}
TURNED = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "mha", "mhd", "h5"])
@pytest.mark.parametrize("n", [2, 3])
def test_itk_warps_alike(tmp_path, n, suffix):
    shape = (30, 33) if n == 2 else (16, 30, 33)
    image = in_memory(smooth(shape), scale=(1500.0, 900.0, 1000.0)[-n:], origin=(500.0, 700.0, -300.0)[-n:], units=True)
    direction = TURNED if n == 3 and suffix in ("nii", "h5", "mha") else None
    field = field_image(**CASES[n], direction=direction)
    path = str(tmp_path / f"warp.{suffix}")
    transform = sitk.DisplacementFieldTransform(sitk.Image(field))
    if suffix == "h5":
        sitk.WriteTransform(transform, path)
    else:
        sitk.WriteImage(field, path)
    made = Displacement(path, outside=-7, onto=Onto(Lengths(x=700.0))).build(image)
    expected = by_itk(whole(image), image.spec.levels[0], transform, made.spec.levels[0], outside=-7.0)
    got = whole(made)
    wrong = ~np.isclose(got, expected, rtol=0, atol=2e-4)
    assert wrong.mean() < 2e-3
    assert path in {s.path for s in sources(made)}


def test_itk_applies_composites_alike(tmp_path):
    composite = sitk.CompositeTransform(3)
    composite.AddTransform(sitk.AffineTransform((1, 0.1, 0, 0, 1.1, 0, 0.1, 0, 0.9), (1, 2, 1), (9, 8, 7)))
    composite.AddTransform(sitk.DisplacementFieldTransform(field_image(**CASES[3])))
    composite.AddTransform(sitk.Euler3DTransform((10.0, 10.0, 10.0), 0.05, 0.1, -0.1, (0.5, 0, 0)))
    path = str(tmp_path / "composite.h5")
    sitk.WriteTransform(composite, path)
    image = in_memory(smooth((16, 30, 33)), scale=(1500.0, 900.0, 1000.0), units=True)
    made = Displacement(path).build(image)
    expected = by_itk(whole(image), image.spec.levels[0], composite, made.spec.levels[0])
    assert (~np.isclose(whole(made), expected, rtol=0, atol=2e-4)).mean() < 2e-3


def bare_field(tmp_path, kind, array):
    if kind == "npy":
        np.save(tmp_path / "f.npy", array)
        return {"field": str(tmp_path / "f.npy")}
    if kind == "hdf5":
        with h5py.File(tmp_path / "f.h5", "w") as file:
            file.create_dataset("a/field", data=array, chunks=tuple(min(4, n) for n in array.shape))
        return {"field": str(tmp_path / "f.h5"), "dataset": "a/field"}
    version = 3 if kind == "zarr3" else 2
    stored = zarr.create_array(
        tmp_path / "f.zarr" / "d", shape=array.shape, chunks=tuple(min(5, n) for n in array.shape), dtype=array.dtype,
        zarr_format=version,
    )  # fmt: skip
    stored[...] = array
    return {"field": str(tmp_path / "f.zarr"), "dataset": "d"}


@pytest.mark.parametrize("components", ["first", "last"])
@pytest.mark.parametrize("kind", ["npy", "hdf5", "zarr2", "zarr3"])
def test_bare_arrays_do_what_the_nifti_file_does(tmp_path, kind, components):
    image = in_memory(smooth((16, 30, 33)), scale=(1500.0, 900.0, 1000.0), units=True)
    field = field_image(**CASES[3])
    sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), str(tmp_path / "warp.nii"))
    expected = whole(Displacement(str(tmp_path / "warp.nii")).build(image))
    array = wavy(CASES[3]["shape"], 2.0).astype(np.float32)
    array = np.moveaxis(array, -1, 0) if components == "first" else array
    options = bare_field(tmp_path, kind, np.ascontiguousarray(array))
    spacing = Lengths(*(s * MM for s in CASES[3]["spacing"]))
    origin = Positions(*(o * MM for o in CASES[3]["origin"]))
    made = Displacement(**options, spacing=spacing, origin=origin, unit="mm").build(image)
    np.testing.assert_allclose(whole(made), expected, atol=1e-4)
    reversed_ = array[::-1] if components == "first" else array[..., ::-1]
    (tmp_path / "zyx").mkdir()
    options = bare_field(tmp_path / "zyx", kind, np.ascontiguousarray(reversed_))
    made = Displacement(**options, spacing=spacing, origin=origin, unit="mm", order="zyx").build(image)
    np.testing.assert_allclose(whole(made), expected, atol=1e-4)


def test_places_instead_of_displacements(tmp_path):
    array = smooth((20, 24))
    image = in_memory(array, scale=(2.0, 2.0), units=True)
    y, x = np.indices((20, 24)) * 2.0
    np.save(tmp_path / "f.npy", np.stack([46 - x[:, :-4], y[:, :-4] + 4]))
    made = whole(Displacement(str(tmp_path / "f.npy"), absolute=True, outside=-1).build(image))
    np.testing.assert_allclose(made[:18, :20], array[2:, ::-1][:, :20])
    assert (made[:, 20:] == -1).all()


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_law(method, tmp_path_factory, data):
    image = data.draw(images(units=True))
    if image.spec.dtype.kind == "b" and method != "nearest":
        reject()
    n = 3 if "z" in image.spec.names else 2
    amplitude = data.draw(st.sampled_from([0.0, 0.7, 5.0]))
    array = wavy(tuple(data.draw(st.integers(1, 20)) for _ in range(n)), amplitude).astype(np.float32)
    path = tmp_path_factory.mktemp("field") / "f.npy"
    np.save(path, array)
    absolute = data.draw(st.booleans())
    onto = data.draw(st.sampled_from([None, Onto(Lengths(x=0.7, y=0.5)), Onto(shape=Counts(x=9, y=17))]))
    step = Displacement(
        str(path), spacing=data.draw(st.sampled_from([0.7, 2.0])), components="last", absolute=absolute, onto=onto,
        method=method, outside=1.0,
    )  # fmt: skip
    if max(step.build(image).spec.levels[0].shape) > 120:
        reject()
    check_law(step, image, data)


def test_no_displacement_changes_nothing(tmp_path):
    array = np.random.default_rng(1).integers(0, 999, (3, 33, 47)).astype(np.uint16)
    image = in_memory(array, scale=(1 / 3, 0.1, 0.7), origin=(0.1, -7.3, 100.0), units=True)
    np.save(tmp_path / "f.npy", np.zeros((3, 2, 5, 6)))
    for method in ("nearest", "linear", "cubic"):
        np.testing.assert_array_equal(whole(Displacement(str(tmp_path / "f.npy"), method=method).build(image)), array)


@pytest.mark.parametrize("length", [41, 45, 61])
def test_no_rim_where_levels_leave_out_the_far_edge(tmp_path, length):
    np.save(tmp_path / "f.npy", np.zeros((2, 9, 9)))
    image = in_memory(np.full((length, length), 7, np.uint16), units=True)
    for spacing in (2.1, 4.2, 8.3):
        made = Displacement(str(tmp_path / "f.npy"), spacing=3.0, onto=Onto(spacing)).build(image)
        assert (whole(made) == 7).all()


def test_bounds_are_tight(tmp_path):
    """A field that moves one corner far: other regions ask for hardly more than themselves."""
    array = np.zeros((2, 256, 256), np.float32)
    array[:, :32, :32] = 100
    np.save(tmp_path / "f.npy", array)
    image = in_memory(np.zeros((256, 256), np.uint8), units=True)
    made = Displacement(str(tmp_path / "f.npy")).build(image)
    far = made.transform.need(image.spec, 0, Region((128, 128), (192, 192)))
    assert far.region.size <= 66 * 66
    near = made.transform.need(image.spec, 0, Region((0, 0), (16, 16)))
    assert near.region == Region((99, 99), (117, 117)) or near.region.size <= 20 * 20


def test_a_large_field_is_never_held(tmp_path):
    shape = (3, 96, 320, 320)
    field = np.lib.format.open_memmap(tmp_path / "f.npy", "w+", np.float32, shape)
    field[0] = 2.0
    del field
    image = in_memory(np.zeros((96, 320, 320), np.uint8), units=True)
    made = Displacement(str(tmp_path / "f.npy")).build(image)
    vectors._CELLS._kept.clear()
    vectors._CELLS._size = 0
    region = Region.whole((96, 320, 320))
    need = made.transform.need(image.spec, 0, region)
    assert need.region.start in {(0, 0, 1), (0, 0, 2)}
    coarse = Displacement(str(tmp_path / "f.npy"), onto=Onto(shape=Counts(20, 20, 6))).build(image)
    block = np.zeros((96, 320, 320), np.uint8)
    source = coarse.parent.spec
    need = coarse.transform.need(source, 0, Region.whole((6, 20, 20)))
    tracemalloc.start()
    coarse.transform.apply(source, 0, Region.whole((6, 20, 20)), block[need.region.slices()])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 110 * 2**20 < np.prod(shape) * 4


def test_a_changed_file_is_not_read_on(tmp_path):
    path = tmp_path / "f.npy"
    np.save(path, np.zeros((2, 8, 8)))
    image = in_memory(np.zeros((8, 8), np.uint8), units=True)
    made = Displacement(str(path)).build(image)
    np.save(path, np.zeros((2, 9, 9)))
    with pytest.raises(SourceChanged):
        whole(made)
    assert Displacement(str(path)).build(image).spec.identity != made.spec.identity


def test_identities_differ(tmp_path):
    array = wavy((6, 6), 1.0)
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", array)
    image = in_memory(np.zeros((8, 8), np.uint8), units=True)
    a = str(tmp_path / "a.npy")
    check_identities(
        [
            Displacement(a), Displacement(str(tmp_path / "b.npy")), Displacement(a, order="zyx"),
            Displacement(a, unit="mm"), Displacement(a, absolute=True), Displacement(a, spacing=2.0),
            Displacement(a, outside=1), Displacement(a, origin=Positions(x=3.0)),
        ],
        image,
    )  # fmt: skip


def test_what_cannot_be_is_said_at_once(tmp_path):
    image = in_memory(np.zeros((8, 8), np.uint8), units=True)
    np.save(tmp_path / "wrong.npy", np.zeros((5, 8, 8)))
    np.save(tmp_path / "good.npy", np.zeros((2, 8, 8)))
    np.save(tmp_path / "nan.npy", np.full((2, 8, 8), np.nan))
    sitk.WriteImage(field_image(**CASES[3]), str(tmp_path / "space.nii"))
    with gzip.open(tmp_path / "cut.nii.gz", "wb") as file:
        file.write(b"\x5c\x01\0\0" + bytes(400))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a"] = np.zeros(3)
    cases = [
        ("wrong.npy", {}, Unsupported, "2 components"),
        ("space.nii", {}, Unsupported, "before they are stacked"),
        ("space.nii", {"unit": "mm"}, Unsupported, "leave out"),
        ("good.npy", {"flipped": ("x",)}, Unsupported, "leave it out"),
        ("good.npy", {"onto": Onto(fit=True)}, Unsupported, "fit: true"),
        ("f.h5", {}, Unsupported, "`dataset`"),
        ("cut.nii.gz", {}, Unsupported, "type 0"),
        ("none.nii", {}, SourceNotFound, "does not exist"),
        (".", {}, SourceNotFound, "no Zarr array"),
    ]
    for name, options, error, told in cases:
        with pytest.raises(error, match=told):
            Displacement(str(tmp_path / name), **options).build(image)
    with pytest.raises(BadSource, match="not numbers"):
        whole(Displacement(str(tmp_path / "nan.npy")).build(image))
    with pytest.raises(Unsupported, match="voxel size"):
        Displacement(str(tmp_path / "good.npy")).build(in_memory(np.zeros((8, 8), np.uint8)))

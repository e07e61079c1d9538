"""Files of NumPy against numpy."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_tools import damage, one, opened, same, survives

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.volumes.npy import NpyReader
from s3facade.stores.local import LocalFile

READER = NpyReader()
TYPES = ["?", "u1", "i1", "<u2", ">u2", "<i4", ">i8", "<f2", ">f4", "<f8", "<u8"]


def values(shape, number="u2"):
    return np.random.default_rng(0).integers(0, 2 if number == "?" else 99, shape).astype(number)


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_types_and_orders(tmp_path, number, fortran, version):
    array = values((4, 3, 6, 5), number)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, np.asfortranarray(array) if fortran else array, version)
    raster = one(READER, tmp_path / "a.npy")
    assert raster.spec.names == ("c", "z", "y", "x")
    assert raster.spec.dtype == np.dtype(number).newbyteorder("=")
    same(raster, array)
    assert "czyx" in raster.spec.attrs["notes"][0]


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((6, 5), "yx"),
        ((4, 6, 5), "zyx"),
        ((6, 5, 3), "yxc"),
        ((7, 6, 5, 4), "zyxc"),
        ((2, 7, 6, 5, 3), "tzyxc"),
        ((2, 3, 4, 6, 5), "tczyx"),
    ],
)
def test_axes_that_are_guessed(tmp_path, shape, names):
    array = values(shape, "u1")
    np.save(tmp_path / "a.npy", array)
    raster = one(READER, tmp_path / "a.npy")
    ordered = [a for a in "tczyx" if a in names]
    assert raster.spec.names == tuple(ordered)
    same(raster, array.transpose([names.index(a) for a in ordered]))
    if names[-1] == "c":
        assert raster.spec.channels[0].name == "Red"


@settings(max_examples=60, deadline=None)
@given(st.permutations("tczyx"), st.integers(2, 5), st.booleans())
def test_axes_that_are_given(tmp_path_factory, order, count, fortran):
    names = "".join(order[:count])
    array = values(tuple(range(2, 2 + count)))
    path = tmp_path_factory.getbasetemp() / "given.npy"
    np.save(path, np.asfortranarray(array) if fortran else array)
    raster = one(READER, path, axes=names)
    full = array.reshape(array.shape + (1,) * (5 - count))
    missing = [a for a in "tczyx" if a not in names]
    kept = [a for a in "tczyx" if a in names or a in "yx"]
    every = names + "".join(missing)
    moved = full.transpose([every.index(a) for a in "tczyx"])
    same(raster, moved.reshape([n for a, n in zip("tczyx", moved.shape, strict=True) if a in kept]))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path, save):
    arrays = {"first": values((300, 200)), "second": values((3, 40, 50), "f4"), "few": values((3,))}
    save(tmp_path / "a.npz", **arrays)
    found = opened(READER, tmp_path / "a.npz")
    assert [r.spec.attrs["name"] for r in found] == ["first", "second"]
    for raster, array in zip(found, arrays.values(), strict=False):
        same(raster, array)
    assert "few.npy" in found[0].spec.attrs["notes"][-1]
    assert not READER.sniff(b"PK\x03\x04", "a.zip")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((2, 2), "c8"), "complex"),
        (np.zeros((2, 2), [("a", "u1"), ("b", "u1")]), "fields"),
        (np.zeros((2, 2), "S4"), "S4"),
        (np.zeros((2, 2), "M8[s]"), "M8"),
        (np.zeros(4), "two dimensions"),
        (np.zeros((2,) * 6), "axes"),
    ],
)
def test_refused(tmp_path, array, says):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(Unsupported, match=says):
        READER.open(LocalFile.open(tmp_path / "a.npy"), {})
    np.savez(tmp_path / "a.npz", array)
    with pytest.raises(Unsupported, match="no array that is an image"):
        READER.open(LocalFile.open(tmp_path / "a.npz"), {})


def test_objects_are_refused_unread(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, "a"]], object), allow_pickle=True)
    with pytest.raises(Unsupported, match="O"):
        READER.open(LocalFile.open(tmp_path / "a.npy"), {})


def test_wrong_axes_are_told(tmp_path):
    np.save(tmp_path / "a.npy", values((2, 3)))
    for axes in ("zyx", "yq", ""):
        with pytest.raises(Unsupported, match="'axes'"):
            READER.open(LocalFile.open(tmp_path / "a.npy"), {"axes": axes})


def test_cut_short(tmp_path):
    np.save(tmp_path / "a.npy", values((20, 30)))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-1])
    with pytest.raises(BadSource, match="behind the end"):
        READER.open(LocalFile.open(tmp_path / "a.npy"), {})


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_damaged(tmp_path_factory, data, packed):
    out = io.BytesIO()
    np.save(out, values((4, 5)))
    good = out.getvalue()
    if packed:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("a.npy", good)
        good = archive.getvalue()
    path = tmp_path_factory.getbasetemp() / ("bad.npz" if packed else "bad.npy")
    survives(READER, path, data.draw(damage(good)))

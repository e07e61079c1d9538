"""HDF5 files that hold no image: of models, tables and the like, as their own libraries write them."""

import math
from pathlib import Path

import h5py
import numpy as np
import pytest
from hdf5_tools import read, whole

from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.zero import zero
from s3facade.core.errors import NoImage, TimedOut
from s3facade.engine.engine import Engine
from s3facade.engine.isolated import Lane

RNG = np.random.default_rng(5)


def keras(file):
    file.attrs.update(layer_names=[b"conv", b"dense"], backend=b"tensorflow", keras_version=b"2.4.0")
    file["dense/dense/kernel:0"] = RNG.normal(size=(512, 100)).astype("f4")


def whole_model(file):
    file.attrs.update(model_config=b'{"class_name": "Functional"}')
    file["model_weights/dense/kernel:0"] = RNG.normal(size=(512, 100)).astype("f4")


def keras_3(file):
    file.create_group("vars")
    file["layers/dense/vars/0"] = RNG.normal(size=(512, 100)).astype("f4")


def anndata(file):
    file.attrs["encoding-type"] = "anndata"
    file["X"] = RNG.normal(size=(200, 50))


def old_anndata(file):
    file["X"] = RNG.normal(size=(200, 50))
    file["obs"] = np.zeros(200, [("index", "S4")])
    file["var"] = np.zeros(50, [("index", "S4")])


def loom(file):
    file["matrix"] = RNG.normal(size=(200, 50))
    file.create_group("row_attrs")
    file.create_group("col_attrs")


def genomics(file):
    for name in ("barcodes", "indptr", "data", "indices"):
        file[f"matrix/{name}"] = np.zeros(30)
    file["other"] = np.zeros((40, 40))


def pandas(file):
    group = file.create_group("df_with_missing")
    group.attrs["pandas_type"] = b"frame_table"
    file["df_with_missing/block0_values"] = RNG.normal(size=(1000, 30))


def electrophysiology(file):
    file.attrs["nwb_version"] = "2.5.0"
    file["acquisition/ElectricalSeries/data"] = RNG.normal(size=(1000, 32))
    file["acquisition/ElectricalSeries"].attrs["neurodata_type"] = "ElectricalSeries"


def nothing(file):
    file["a"] = np.zeros(100)


def small(file):
    file["a"] = np.zeros((100, 4))


@pytest.mark.parametrize(
    ("write", "word"),
    [(keras, "Keras"), (whole_model, "Keras"), (keras_3, "Keras"), (anndata, "AnnData"), (old_anndata, "AnnData"),
     (loom, "loom"), (genomics, "10x"), (pandas, "pandas"), (electrophysiology, "NWB"), (nothing, "no image"),
     (small, "looks like an image")],
)  # fmt: skip
def test_what_is_no_image_is_told_so(tmp_path, write, word):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file)
    with pytest.raises(NoImage, match=word):
        read(tmp_path / "a.h5")


def test_who_names_a_dataset_gets_it(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        keras(file)
        weights = file["dense/dense/kernel:0"][()]
    (raster,) = read(tmp_path / "a.h5", {"dataset": "/dense/dense/kernel:0"})
    np.testing.assert_array_equal(whole(raster), weights)


def test_an_image_beside_a_table_of_pandas_is_shown(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        pandas(file)
        file["raw/image"] = image = RNG.integers(0, 99, (40, 50), np.uint16)
        file["matrix"] = h5py.ExternalLink("nowhere.h5", "/")
        del file["df_with_missing/block0_values"]
    (raster,) = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(whole(raster), image)


@pytest.mark.parametrize("kind", ["B8LE", "B16LE", "B16BE", "B64LE"])
def test_bits_as_pytables_writes_booleans(tmp_path, kind):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        bits = getattr(h5py.h5t, f"STD_{kind}")
        made = h5py.h5d.create(file.id, b"x", bits, h5py.h5s.create_simple((20, 30)))
        array = RNG.integers(0, 255, (20, 30)).astype(made.dtype)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, array, mtype=bits)
    (raster,) = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(whole(raster), array)


def test_in_a_folder_they_are_left_out_without_a_word_and_named_where_they_are_asked_for(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        keras(file)
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["a"] = np.zeros((20, 30), np.uint8)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "image.h5").read_bytes()[:1500])
    folder, named = (Catalog(zero([root]), Engine(registry.reader)) for root in (tmp_path, tmp_path / "weights.h5"))
    for catalog in (folder, named):
        catalog.probe(math.inf)
        catalog.engine.close()
    assert folder.images("images") == ["image.ome.zarr"]
    assert [Path(b.path).name for b in folder.broken()] == ["cut.h5"]
    assert [Path(b.path).name for b in named.broken()] == ["weights.h5"]
    assert "Keras" in named.broken()[0].reason


def test_one_file_that_waits_too_long_does_not_keep_the_others_from_being_looked_at(tmp_path, monkeypatch):
    for name in "ab":
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"] = np.zeros((20, 30), np.uint8)
    parse = Lane.parse

    def slow(lane, source, *others):
        if source.path.endswith("a.h5"):
            raise TimedOut("Reading the source file takes too long; try again.")
        return parse(lane, source, *others)

    monkeypatch.setattr(Lane, "parse", slow)
    catalog = Catalog(zero([tmp_path]), Engine(registry.reader))
    catalog.probe(math.inf)
    catalog.engine.close()
    assert catalog.unopened() == 1
    assert not catalog.broken()

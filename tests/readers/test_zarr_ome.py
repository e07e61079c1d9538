"""OME-Zarr of all versions: axes, sizes, channels, labels, plates, collections; against the arrays as written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from folder_tools import DATA, arranged, needs_data, opened, store, whole

from s3facade.core.errors import BadSource, SourceError, SourceNotFound, Unsupported
from s3facade.core.region import Region
from s3facade.readers.zarr.reader import ZarrReader
from s3facade.stores.local import LocalFile
from s3facade.testing.mutations import mutated

CORPUS = Path(__file__).parents[1] / "corpus" / "folders"

AXES = [
    {"name": "t", "type": "time", "unit": "millisecond"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "nanometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "millimeter"},
]
SCALE = [500, 1, 2000, 0.5, 0.00025]


def numbers(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 60000, shape).astype("u2")


def scaled(factor, rank=5):
    scale = [s * (factor if k > 2 else 1) for k, s in enumerate(SCALE)][-rank:]
    shift = [0.0, 0, 100, 0.5 * (factor - 1) / 2 + 10, 0.00025 * (factor - 1) / 2][-rank:]
    return [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]


def multiscale(version, axes=AXES, paths=("0", "1"), **more):
    """Metadata of one image as ``version`` writes them."""
    datasets = [{"path": p} for p in paths]
    about = {"version": version, "datasets": datasets, **more}
    if version >= "0.4":
        for n, dataset in enumerate(datasets):
            dataset["coordinateTransformations"] = scaled(2**n, len(axes))
        about["axes"] = axes
    elif version == "0.3":
        about["axes"] = [a["name"] for a in axes]
    return about


def write(path, version, attributes, levels, separator="/", *, consolidated=False, **more):
    """A group with arrays; ``attributes`` go where the version has them."""
    form = 3 if version == "0.5" else 2
    said = {"ome": {"version": version, **attributes}} if form == 3 else attributes
    group = zarr.create_group(path, zarr_format=form, attributes=said)
    for name, level in levels.items():
        keys = {"chunk_key_encoding": {"name": "v2", "separator": separator}} if form == 2 else {}
        chunks = tuple(min(n, 4) for n in level.shape)
        group.create_array(name, shape=level.shape, chunks=chunks, dtype=level.dtype, **keys, **more)[...] = level
    if consolidated:
        zarr.consolidate_metadata(path)
    return path / ("zarr.json" if form == 3 else ".zgroup")


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3", "0.4", "0.5"])
@pytest.mark.filterwarnings("ignore:Consolidated")
def test_versions(tmp_path, version, consolidated):
    levels = {"0": numbers((2, 3, 5, 9, 10)), "1": numbers((2, 3, 5, 5, 5), 1)}
    separator = "." if version == "0.1" else "/"
    omero = {
        "channels": [
            {"label": "DAPI", "color": "0000ff", "window": {"start": 5, "end": 500, "min": 0, "max": 65535}},
            {"label": "GFP", "color": "#00FF00", "active": False},
            {"color": "no colour", "window": {"start": 5, "end": 5}},
        ]
    }
    attributes = {"multiscales": [multiscale(version, name="brain")], "omero": omero}
    marker = write(tmp_path / "a.ome.zarr", version, attributes, levels, separator, consolidated=consolidated)
    (raster,) = opened(ZarrReader, marker)
    for n, level in enumerate(levels.values()):
        np.testing.assert_array_equal(whole(raster, n), level)
    spec = raster.spec
    assert "".join(spec.names) == "tczyx"
    assert spec.attrs["name"] == "brain"
    assert [c.name for c in spec.channels] == ["DAPI", "GFP", None]
    assert [c.color for c in spec.channels] == ["0000FF", "00FF00", None]
    assert [c.window for c in spec.channels] == [(5, 500), None, None]
    assert [c.active for c in spec.channels] == [True, False, True]
    if version < "0.4":
        assert {a.unit for a in spec.axes} == {None}
        assert spec.levels[1].scale == (1, 1, 1, 2, 2)
    else:
        assert [a.unit for a in spec.axes] == ["second", None, *["micrometer"] * 3]
        assert spec.levels[0].scale == pytest.approx((0.5, 1, 2, 0.5, 0.25))
        assert spec.levels[1].scale == pytest.approx((0.5, 1, 2, 1.0, 0.5))
        assert spec.levels[0].origin == pytest.approx((0, 0, 0.1, 10, 0))
        assert spec.levels[1].origin == pytest.approx((0, 0, 0.1, 10.25, 0.125))


@needs_data
@pytest.mark.parametrize(
    ("name", "marker", "driver"), [("simple_0.4", ".zgroup", "zarr"), ("simple_0.5", "zarr.json", "zarr3")]
)
def test_real_ones(name, marker, driver):
    folder = DATA / "zarr" / "ome_zarr" / name
    (raster,) = opened(ZarrReader, folder / marker)
    for n in range(3):
        np.testing.assert_array_equal(whole(raster, n), store(driver, folder / f"scale{n}" / "image").read().result())
    assert raster.spec.levels[2].scale == pytest.approx((0.016, 0.12))
    assert raster.spec.levels[2].origin == pytest.approx((0.006, 0.045))


def test_metadata_of_another_library(tmp_path):
    models = pytest.importorskip("ome_zarr_models.v05")
    specs = pytest.importorskip("pydantic_zarr.v3")
    levels = [numbers((40, 50)), numbers((20, 25), 1)]
    axes = [{"name": a, "type": "space", "unit": "millimeter"} for a in "yx"]
    image = models.Image.new(
        array_specs=[specs.ArraySpec.from_array(level, dimension_names=("y", "x")) for level in levels],
        paths=["s0", "s1"],
        axes=axes,
        scales=[[0.5, 0.25], [1, 0.5]],
        translations=[None, [0.25, 0.125]],
        global_scale=[0.01, 0.01],
        name="made",
    )
    group = image.to_zarr(zarr.storage.LocalStore(tmp_path / "a"), path="")
    for n, level in enumerate(levels):
        group[f"s{n}"][...] = level
    (raster,) = opened(ZarrReader, tmp_path / "a" / "zarr.json")
    for n, level in enumerate(levels):
        np.testing.assert_array_equal(whole(raster, n), level)
    assert raster.spec.levels[0].scale == pytest.approx((5, 2.5))
    assert raster.spec.levels[1].origin == pytest.approx((2.5, 1.25))
    assert raster.spec.attrs["name"] == "made"


def test_any_order_of_axes(tmp_path):
    data = numbers((5, 7, 3))
    axes = [AXES[3], AXES[4], AXES[1]]
    marker = write(
        tmp_path / "a", "0.5", {"multiscales": [{**multiscale("0.3", axes, ["0"]), "axes": axes}]}, {"0": data}
    )
    (raster,) = opened(ZarrReader, marker)
    np.testing.assert_array_equal(whole(raster), arranged(data, "yxc"))


def test_global_transformations_come_last(tmp_path):
    about = multiscale("0.5", AXES[2:], ["0"], coordinateTransformations=[{"type": "scale", "scale": [2, 3, 4]}])
    (raster,) = opened(ZarrReader, write(tmp_path / "a", "0.5", {"multiscales": [about]}, {"0": numbers((2, 3, 4))}))
    assert raster.spec.levels[0].scale == pytest.approx((4, 1.5, 1))
    assert raster.spec.levels[0].origin == pytest.approx((0.2, 30, 0))


def test_sizes_without_a_unit_are_not_taken_for_micrometres(tmp_path):
    axes = [{"name": a, "type": "space"} for a in "yx"]
    about = multiscale("0.5", axes, ["0", "1"])
    marker = write(tmp_path / "a", "0.5", {"multiscales": [about]}, {"0": numbers((8, 8)), "1": numbers((4, 4))})
    (raster,) = opened(ZarrReader, marker)
    assert {a.unit for a in raster.spec.axes} == {None}
    assert [level.scale for level in raster.spec.levels] == [(1, 1), (2, 2)]
    assert [level.origin for level in raster.spec.levels] == [(0, 0), (0.5, 0.5)]
    assert "not stated" in " ".join(raster.spec.attrs["notes"])


def test_an_axis_that_is_none_of_ours(tmp_path):
    axes = [{"name": "angle"}, *AXES[3:]]
    attributes = {"multiscales": [multiscale("0.3", axes, ["0"])]}
    marker = write(tmp_path / "a", "0.5", attributes, {"0": numbers((3, 4, 4))})
    with pytest.raises(Unsupported, match="'angle' of length 3"):
        opened(ZarrReader, marker)
    (raster,) = opened(ZarrReader, marker, axes="tyx")
    assert raster.spec.names == ("t", "y", "x")
    (raster,) = opened(ZarrReader, write(tmp_path / "b", "0.5", attributes, {"0": numbers((1, 4, 4))}))
    assert raster.spec.names == ("y", "x")


def test_several_multiscales_are_several_images(tmp_path):
    attributes = {"multiscales": [multiscale("0.4", AXES[3:], [p], name=p) for p in ("a", "b")]}
    levels = {"a": numbers((4, 4)), "b": numbers((5, 5), 1)}
    rasters = opened(ZarrReader, write(tmp_path / "x", "0.4", attributes, levels))
    assert [r.spec.attrs["name"] for r in rasters] == ["a", "b"]
    for raster, data in zip(rasters, levels.values(), strict=True):
        np.testing.assert_array_equal(whole(raster), data)


def with_labels(path, version="0.5"):
    image, labels = numbers((6, 6)), numbers((6, 6), 3) % 5
    marker = write(path, version, {"multiscales": [multiscale(version, AXES[3:], ["0"])]}, {"0": image})
    write(path / "labels", version, {"labels": ["nuclei"]}, {})
    about = {"multiscales": [multiscale(version, AXES[3:], ["0"])], "image-label": {"version": version}}
    write(path / "labels" / "nuclei", version, about, {"0": labels})
    return marker, image, labels


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels(tmp_path, version):
    marker, image, labels = with_labels(tmp_path / "a.zarr", version)
    (raster,) = opened(ZarrReader, marker)
    np.testing.assert_array_equal(whole(raster), image)
    assert raster.spec.attrs["labels"] == {"nuclei": f"labels/nuclei/{marker.name}"}
    assert "categorical" not in raster.spec.attrs
    for options in ({"labels": "nuclei"}, {"path": "labels/nuclei"}, {"path": "labels"}):
        (raster,) = opened(ZarrReader, marker, **options)
        np.testing.assert_array_equal(whole(raster), labels)
        assert raster.spec.attrs["categorical"] is True
    (raster,) = opened(ZarrReader, tmp_path / "a.zarr" / "labels" / "nuclei" / marker.name)
    np.testing.assert_array_equal(whole(raster), labels)
    assert raster.spec.attrs["categorical"] is True
    with pytest.raises(SourceNotFound, match="cells"):
        opened(ZarrReader, marker, labels="cells")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plates(tmp_path, version):
    path = tmp_path / "p.zarr"
    wells = [{"path": p, "rowIndex": 0, "columnIndex": int(p[2:]) - 1} for p in ("A/1", "A/2", "A/3")]
    marker = write(path, version, {"plate": {"name": "screen", "wells": wells, "rows": [], "columns": []}}, {})
    for n, well in enumerate(("A/1", "A/3")):
        images = [{"path": "0", "acquisition": 4}, {"path": "1"}, {"path": "2"}]
        write(path / well, version, {"well": {"images": images}}, {})
        for field in "01":
            data = numbers((4, 4), 10 * n + int(field))
            write(path / well / field, version, {"multiscales": [multiscale(version, AXES[3:], ["0"])]}, {"0": data})
    rasters = opened(ZarrReader, marker)
    plates = [r.spec.attrs["plate"] for r in rasters]
    assert [(p["row"], p["column"], p["field"]) for p in plates] == [("A", c, f) for c in "13" for f in (0, 1)]
    assert plates[0] == {"row": "A", "column": "1", "field": 0, "acquisition": 4, "name": "screen"}
    notes = " ".join(rasters[0].spec.attrs["notes"])
    assert "A/2 is listed and missing" in notes
    assert "A/3/2 is listed and missing" in notes
    for n, raster in enumerate(rasters):
        np.testing.assert_array_equal(whole(raster), numbers((4, 4), 10 * (n // 2) + n % 2))
    assert len(opened(ZarrReader, path / "A/1" / marker.name)) == 2


def test_a_long_document_is_not_kept_with_every_image(tmp_path, monkeypatch):
    monkeypatch.setattr("s3facade.readers.zarr.reader.MAX_XML_OF_ALL", 10)
    path = tmp_path / "c.zarr"
    marker = write(path, "0.4", {"bioformats2raw.layout": 3}, {})
    for name in ("0", "1"):
        write(path / name, "0.4", {"multiscales": [multiscale("0.4", AXES[3:], ["0"])]}, {"0": numbers((4, 4))})
    (path / "OME").mkdir()
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    for raster in opened(ZarrReader, marker):
        assert "ome_xml" not in raster.spec.attrs
        assert "too long" in " ".join(raster.spec.attrs["notes"])


@pytest.mark.parametrize("listed", [False, True])
def test_collections(tmp_path, listed):
    path = tmp_path / "c.zarr"
    marker = write(path, "0.4", {"bioformats2raw.layout": 3}, {})
    for name in ("0", "1"):
        write(
            path / name, "0.4", {"multiscales": [multiscale("0.4", AXES[3:], ["0"])]}, {"0": numbers((4, 4), int(name))}
        )
    write(path / "OME", "0.4", {"series": ["1", "0"]} if listed else {}, {})
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    rasters = opened(ZarrReader, marker)
    for n, (raster, name) in enumerate(zip(rasters, "10" if listed else "01", strict=True)):
        np.testing.assert_array_equal(whole(raster), numbers((4, 4), int(name)))
        assert raster.spec.attrs["ome_xml"] == "<OME/>"
        assert raster.spec.attrs["ome_image"] == n


def test_plain_groups_show_all_that_lies_in_them(tmp_path):
    path = tmp_path / "g.zarr"
    marker = write(path, "0.5", {}, {"time": np.arange(5.0), "b": numbers((4, 5))})
    zarr.open_group(path)["b"].attrs["_ARRAY_DIMENSIONS"] = ["row", "col"]
    write(
        path / "deep" / "a.ome.zarr",
        "0.5",
        {"multiscales": [multiscale("0.5", AXES[3:], ["0"])]},
        {"0": numbers((6, 6), 2)},
    )
    write(path / "deep", "0.5", {}, {})
    first, second = opened(ZarrReader, marker)
    assert [r.spec.attrs["name"] for r in (first, second)] == ["b", "deep/a.ome.zarr"]
    assert "left out: time" in " ".join(second.spec.attrs["notes"])
    np.testing.assert_array_equal(whole(second), numbers((6, 6), 2))
    (only,) = opened(ZarrReader, marker, path="deep")
    assert only.spec == second.spec or only.spec.levels == second.spec.levels


@pytest.mark.parametrize(
    ("shape", "names", "dtype", "axes", "note"),
    [
        ((4, 5), None, "u2", "yx", ""),
        ((4, 5, 6), None, "u2", "zyx", "taken for z, y, x"),
        ((4, 5, 6), ["time", "lat", "lon"], "f4", "tyx", ""),
        ((4, 5, 6), ["x", "y", "z"], "f4", "zyx", ""),
        ((30, 40, 3), None, "u1", "cyx", "colours"),
        ((2, 3, 4, 5), ["a", "b", "c", "d"], "u1", "czyx", "called a, b, c, d"),
        ((1, 4, 5), ["member", "y", "x"], "u1", "yx", "left out: member"),
    ],
)
def test_plain_arrays(tmp_path, shape, names, dtype, axes, note):
    array = zarr.create_array(tmp_path / "a", shape=shape, dtype=dtype, dimension_names=names)
    array[...] = numbers(shape) % 200
    (raster,) = opened(ZarrReader, tmp_path / "a" / "zarr.json")
    assert "".join(raster.spec.names) == axes
    assert note in " ".join(raster.spec.attrs.get("notes", ()))
    dims = {"cyx": "yxc"}.get(axes, axes) if names != ["x", "y", "z"] else "xyz"
    data = array[...][0] if names and "member" in names else array[...]
    np.testing.assert_array_equal(whole(raster), arranged(data, dims))
    if dims == "yxc":
        assert [c.color for c in raster.spec.channels] == ["FF0000", "00FF00", "0000FF"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m["datasets"].append({"path": "7"}), "'7', which is missing"),
        (lambda m: m["datasets"].clear(), "no datasets"),
        (lambda m: m["axes"].pop(), "1 axes"),
        (lambda m: m["axes"].__setitem__(0, m["axes"][1]), "twice"),
        (lambda m: m["datasets"][0].update(path="../../../etc"), "outside|missing"),
        (lambda m: m["datasets"][0].update(path=3), "missing"),
        (lambda m: m.update(datasets=[{}]), "contradict"),
    ],
)
def test_contradictions(tmp_path, change, sentence):
    about = json.loads(json.dumps(multiscale("0.5", AXES[3:], ["0"])))
    change(about)
    marker = write(tmp_path / "a", "0.5", {"multiscales": [about]}, {"0": numbers((4, 4))})
    with pytest.raises(SourceError, match=sentence):
        opened(ZarrReader, marker)


def test_an_empty_group_is_no_image(tmp_path):
    with pytest.raises(BadSource, match="holds no image"):
        opened(ZarrReader, write(tmp_path / "a", "0.5", {}, {}))


def test_options_that_there_are_not(tmp_path):
    marker = write(tmp_path / "a", "0.5", {}, {"0": numbers((4, 4))})
    for options, sentence in (
        ({"levle": 1}, "no option 'levle'; it takes axes, labels, path"),
        ({"axes": "yq"}, "axes"),
        ({"axes": "zyx"}, "2 dimensions"),
        ({"path": "/etc"}, "below"),
        ({"path": 1}, "below"),
    ):
        with pytest.raises(Unsupported, match=sentence):
            opened(ZarrReader, marker, **options)


def test_a_level_that_is_gone_is_an_error_whatever_consolidated_metadata_say(tmp_path):
    about = {"multiscales": [multiscale("0.4", AXES[3:], ["0"])]}
    marker = write(tmp_path / "a", "0.4", about, {"0": numbers((4, 4))}, consolidated=True)
    (raster,) = opened(ZarrReader, marker)
    shutil.rmtree(tmp_path / "a" / "0")
    with pytest.raises(SourceError):
        whole(raster)


@pytest.mark.parametrize("name", [".zattrs", ".zmetadata", "scale1/image/.zarray"])
def test_damaged_documents(tmp_path, name):
    folder = tmp_path / "a"
    shutil.copytree(CORPUS / "simple_0.4", folder)
    if name != ".zmetadata":
        (folder / ".zmetadata").unlink()
    whole_one = (folder / name).read_bytes()
    for seed in range(150):
        (folder / name).write_bytes(mutated(whole_one, seed)[1])
        try:
            for raster in ZarrReader().open(LocalFile.open(folder / ".zgroup"), {}):
                for n, level in enumerate(raster.spec.levels):
                    raster.read(n, Region.whole(tuple(min(s, 8) for s in level.shape)))
        except SourceError:
            pass


def test_attributes_alone_make_a_group(tmp_path):
    folder = tmp_path / "a"
    shutil.copytree(CORPUS / "simple_0.4", folder)
    for name in (".zgroup", ".zmetadata"):
        (folder / name).unlink()
    head = (folder / ".zattrs").read_bytes()
    assert ZarrReader().sniff(head, ".zattrs")
    (raster,) = opened(ZarrReader, folder / ".zattrs")
    assert len(raster.spec.levels) == 3

"""BigDataViewer datasets against h5py, and registrations against numpy."""

import h5py
import numpy as np
import pytest
from hdf5_tools import SHARED, read, thawed, whole

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.readers.hdf5.bdv_reader import BdvReader

RNG = np.random.default_rng(5)
SETUP = """<ViewSetup><id>{id}</id><name>{name}</name><size>50 40 9</size>
<voxelSize><unit>{unit}</unit><size>0.5 0.5 2.0</size></voxelSize>
<attributes><channel>{id}</channel><angle>0</angle></attributes></ViewSetup>"""
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<SpimData version="0.2"><BasePath type="relative">.</BasePath><SequenceDescription>
<ImageLoader format="{format}"><hdf5 type="relative">{h5}</hdf5></ImageLoader>
<ViewSetups>{setups}<Attributes name="channel"><Channel><id>0</id><name>DAPI</name></Channel><Channel><id>1</id>
<name>GFP</name></Channel></Attributes><Attributes name="angle"><Angle><id>0</id><name>45</name></Angle></Attributes>
</ViewSetups>{times}{missing}</SequenceDescription><ViewRegistrations>{views}</ViewRegistrations></SpimData>"""
RANGE = '<Timepoints type="range"><first>0</first><last>2</last></Timepoints>'


def affine(*rows):
    return " ".join(str(v) for row in rows for v in row)


SIZES = affine((0.5, 0, 0, 10), (0, 0.5, 0, -20), (0, 0, 2, 30))


def dataset(folder, *, loader="bdv.hdf5", h5="d.h5", times=RANGE, numbers=(0, 1, 2), missing=(), unit="micrometer",
            transforms=(SIZES,), dtype="u2", base="", drop=()):  # fmt: skip
    setups = "".join(SETUP.format(id=i, name=f"view {i}", unit=unit) for i in (0, 1))
    lost = "".join(f'<MissingView timepoint="{t}" setup="{s}"/>' for t, s in missing)
    each = "".join(f'<ViewTransform type="affine"><affine>{a}</affine></ViewTransform>' for a in transforms)
    views = "".join(
        f'<ViewRegistration timepoint="{t}" setup="{s}">{each}</ViewRegistration>' for t in numbers for s in (0, 1)
    )
    text = PAGE.format(
        format=loader, h5=h5, setups=setups, times=times, views=views,
        missing=f"<MissingViews>{lost}</MissingViews>" if lost else "",
    )  # fmt: skip
    (folder / "d.xml").write_text(base + text)
    with h5py.File(folder / "d.h5", "w") as file:
        for s in (0, 1):
            file[f"s{s:02}/resolutions"] = np.array([[1, 1, 1], [2, 2, 1], [4, 4, 2]], "f8")
            file[f"s{s:02}/subdivisions"] = np.array([[16, 16, 4]] * 3, "i4")
            for t in numbers:
                for level, shape in enumerate([(9, 40, 50), (9, 20, 25), (4, 10, 12)]):
                    if (t, s) not in missing and (t, s, level) not in drop:
                        file.create_dataset(
                            f"t{t:05}/s{s:02}/{level}/cells", data=RNG.integers(0, 3000, shape).astype(dtype),
                            chunks=(4, 16, 16), maxshape=(None,) * 3, scaleoffset=0, compression="gzip",
                        )  # fmt: skip
    return folder / "d.xml"


def check(path, raster, setup, times):
    with h5py.File(path.with_suffix(".h5"), "r") as file:
        for level in range(len(raster.spec.levels)):
            found = whole(raster, level)
            for k, t in enumerate(times):
                cells = file[f"t{t:05}/s{setup:02}/{level}/cells"]
                np.testing.assert_array_equal(found[k] if len(times) > 1 else found, cells[()])


def test_setups_and_time_points(tmp_path):
    path = dataset(tmp_path)
    rasters = read(path, reader=BdvReader())
    assert [r.spec.attrs["name"] for r in rasters] == ["view 0", "view 1"]
    assert [r.spec.channels[0].name for r in rasters] == ["DAPI", "GFP"]
    for setup, raster in enumerate(rasters):
        check(path, raster, setup, (0, 1, 2))
        assert raster.spec.names == ("t", "z", "y", "x")
        assert raster.spec.levels[0].scale == (1.0, 2.0, 0.5, 0.5)
        assert raster.spec.levels[0].origin == (0.0, 30.0, -20.0, 10.0)
        assert raster.spec.levels[2].scale == (1.0, 4.0, 2.0, 2.0)
        assert raster.spec.levels[2].origin == (0.0, 31.0, -19.25, 10.75)
        assert raster.spec.attrs["affine"][2] == [0, 0, 2, 30]
        assert [f.source.path.rpartition("/")[2] for f in raster.files] == ["d.xml", "d.h5"]
    for raster, again in zip(rasters, thawed(path, rasters, BdvReader()), strict=True):
        assert again.spec == raster.spec
        np.testing.assert_array_equal(whole(again, 1), whole(raster, 1))


@pytest.mark.parametrize(
    "times",
    ['<Timepoints type="pattern"><integerpattern>3-9:3, 12</integerpattern></Timepoints>',
     ('<Timepoints type="list"><Timepoint><id>3</id></Timepoint><Timepoint><id>6</id></Timepoint><Timepoint><id>9</id>'
     "</Timepoint><Timepoint><id>12</id></Timepoint></Timepoints>")],
)  # fmt: skip
def test_time_points_of_other_kinds(tmp_path, times):
    path = dataset(tmp_path, times=times, numbers=(3, 6, 9, 12))
    check(path, read(path, reader=BdvReader())[1], 1, (3, 6, 9, 12))


def test_missing_views_are_told(tmp_path):
    path = dataset(tmp_path, missing=((1, 0),))
    first, second = read(path, reader=BdvReader())
    assert not whole(first)[1].any()
    assert "time points 1" in " ".join(first.spec.attrs["notes"])
    check(path, second, 1, (0, 1, 2))
    with pytest.raises(BadSource, match="t00002/s01/1/cells"):
        read(dataset(tmp_path, drop=((2, 1, 1),)), reader=BdvReader())
    assert len(read(dataset(tmp_path, missing=((0, 0), (1, 0), (2, 0))), reader=BdvReader())) == 1


def test_transforms_are_composed_from_the_last_one(tmp_path):
    turn = affine((0, -1, 0, 5), (1, 0, 0, 6), (0, 0, 1, 7))
    raster = read(dataset(tmp_path, transforms=(turn, SIZES)), reader=BdvReader())[0]
    matrices = [np.vstack([np.fromstring(m, sep=" ").reshape(3, 4), [0, 0, 0, 1]]) for m in (turn, SIZES)]
    np.testing.assert_allclose(raster.spec.attrs["affine"], (matrices[0] @ matrices[1])[:3])
    assert raster.spec.levels[0].origin == (0.0, 0.0, 0.0, 0.0)
    assert raster.spec.attrs["frame"] == "BigDataViewer"


def test_registrations_that_count_in_voxels(tmp_path):
    voxels = affine((1, 0, 0, 10), (0, 1, 0, 20), (0, 0, 4, 40))
    raster = read(dataset(tmp_path, transforms=(voxels,)), reader=BdvReader())[0]
    assert raster.spec.levels[0].origin == (0.0, 20.0, 10.0, 5.0)
    assert "voxels" in " ".join(raster.spec.attrs["notes"])
    other = affine((7, 0, 0, 10), (0, 1, 0, 20), (0, 0, 4, 40))
    raster = read(dataset(tmp_path, transforms=(other,)), reader=BdvReader())[0]
    assert "affine" not in raster.spec.attrs
    assert raster.spec.attrs["original"]["registrations"]["0"][0] == [7, 0, 0, 10]


def test_sizes_without_a_unit(tmp_path):
    for unit in ("", "pixel", "furlong"):
        raster = read(dataset(tmp_path, unit=unit), reader=BdvReader())[0]
        assert {a.unit for a in raster.spec.axes} == {None}
        assert raster.spec.levels[1].scale == (1.0, 1.0, 2.0, 2.0)


def test_signed_numbers_are_unsigned_ones(tmp_path):
    raster = read(dataset(tmp_path, dtype="i2"), reader=BdvReader())[0]
    assert raster.spec.dtype == np.uint16


def test_partitions(tmp_path):
    path = dataset(tmp_path)
    (tmp_path / "d.h5").rename(tmp_path / "d-00.h5")
    with h5py.File(tmp_path / "d-00.h5", "r") as part, h5py.File(tmp_path / "d.h5", "w") as file:
        for s in (0, 1):
            part.copy(f"s{s:02}", file)
            for t in range(3):
                file[f"t{t:05}/s{s:02}"] = h5py.ExternalLink("d-00.h5", f"t{t:05}/s{s:02}")
    rasters = read(path, reader=BdvReader())
    assert len(rasters[0].files) == 3
    check(path, rasters[1], 1, (0, 1, 2))
    check(path, thawed(path, rasters, BdvReader())[1], 1, (0, 1, 2))


def test_voxels_without_their_xml(tmp_path):
    path = dataset(tmp_path, missing=((1, 0),)).with_suffix(".h5")
    rasters = read(path)
    assert len(rasters) == 2
    assert ".xml" in rasters[0].spec.attrs["notes"][0]
    check(path, rasters[1], 1, (0, 1, 2))


@pytest.mark.parametrize(
    ("change", "error"),
    [({"loader": "bdv.n5"}, Unsupported), ({"h5": "../d.h5"}, SourceDenied), ({"h5": "/tmp/d.h5"}, Unsupported),
     ({"h5": "e.h5"}, SourceNotFound), ({"base": "<!DOCTYPE a>"}, Unsupported), ({"base": "<"}, BadSource),
     ({"times": '<Timepoints type="pattern"><integerpattern>x</integerpattern></Timepoints>'}, BadSource),
     ({"times": '<Timepoints type="range"><first>0</first><last>99999999</last></Timepoints>'}, Unsupported),
     ({"transforms": ("1 2 3",)}, BadSource), ({"transforms": ("nan " * 12,)}, BadSource),
     ({"numbers": (0, 1)}, BadSource)],
)  # fmt: skip
def test_what_is_refused(tmp_path, change, error):
    path = dataset(tmp_path, **change)
    with pytest.raises(error):
        read(path, reader=BdvReader())


def test_sniffing():
    reader = BdvReader()
    assert reader.sniff(b'<?xml version="1.0"?>\n<SpimData version="0.2">', "a.XML")
    assert not reader.sniff(b'<?xml version="1.0"?>\n<OME>', "a.xml")
    assert not reader.sniff(b"II*\0<SpimData", "a.xml")


@pytest.mark.skipif(not (SHARED / "hdf5-bdv").is_dir(), reason="the corpus of real images is not there")
def test_a_real_one():
    path = SHARED / "hdf5-bdv" / "example.xml"
    (raster,) = read(path, reader=BdvReader())
    check(path, raster, 0, (0,))
    assert raster.chunks(0).codec == "scale-offset, deflate"
    check(path, read(path.with_suffix(".h5"))[0], 0, (0,))

"""What plates cannot show is named, with the file and what to do; what configurations get wrong, with its line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade.app.server import open_catalog
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.core.errors import ConfigError
from s3facade.core.objects import Literal
from s3facade.layouts.wells import rows

SOURCE = '{files: "data/{row:[A-Z]+}{column:int}_s{field:int}.tif"}'
VIEW = {"type": "ome-zarr-plate", "from": "plate", "path": "p.ome.zarr", "well": '"{row}/{column}"'}


def config(folder: Path, source: str = SOURCE, images: str = "", **view: str) -> Path:
    keys = ", ".join(f"{k}: {v}" for k, v in {**VIEW, **{k.rstrip("_"): v for k, v in view.items()}}.items() if v)
    path = folder / "config.yaml"
    path.write_text(f"sources:\n  plate: {source}\n{images}buckets:\n  screen7:\n    views:\n      - {{{keys}}}\n")
    return path


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Callable[..., Catalog]]:
    opened: list[Catalog] = []

    def show(*names: str, **options: str) -> Catalog:
        for name in names:
            (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "data" / name, np.zeros((8, 8), "u1"))
        opened.append(open_catalog(load(config(tmp_path, **options))))
        return opened[-1]

    yield show
    for catalog in opened:
        catalog.engine.close()


def said(catalog: Catalog) -> str:
    (broken,) = catalog.broken()
    return f"{Path(broken.path).name}: {broken.reason}"


def test_a_well_outside_the_plate(shown: Callable[..., Catalog]) -> None:
    catalog = shown("A01_s1.tif", "I01_s1.tif", plate="8x12", field='"{field}"')
    assert said(catalog) == (
        "I01_s1.tif: Its well 'I/1' lies outside the plate of 8 x 12 wells (rows A to H, columns 1 to 12); correct "
        "`plate:` or `well:`, or leave the file out with `skip:`."
    )
    assert list(catalog.images("screen7")) == ["p.ome.zarr/A/1/0"]


def test_two_files_for_one_field(shown: Callable[..., Catalog], tmp_path: Path) -> None:
    catalog = shown("A01_s1.tif", "A1_s01.tif", "A1_s2.tif", field='"{field}"')
    assert (
        said(catalog) == "A1_s01.tif: The field '1' of the well 'A/1' is 'A01_s1.tif' already: two files say the same."
    )
    # Where files lie is for the operator alone: what is said of them is on a page that anybody may see.
    assert [item.detail for item in catalog.broken()] == [f"{tmp_path}/data/A01_s1.tif"]
    assert list(catalog.images("screen7")) == ["p.ome.zarr/A/1/0", "p.ome.zarr/A/1/1"]


def test_two_images_of_a_well_without_fields(shown: Callable[..., Catalog]) -> None:
    assert said(shown("A01_s1.tif", "A01_s2.tif")) == (
        "A01_s2.tif: The only image of the well 'A/1' is 'A01_s1.tif' already: say with `field:` what "
        "tells its images apart."
    )


@pytest.mark.parametrize("well", ['"{stem}"', '"{row}_{row}/{column}"'])
def test_a_well_that_is_no_row_and_column(shown: Callable[..., Catalog], well: str) -> None:
    label = {'"{stem}"': "A01_s1", '"{row}_{row}/{column}"': "A_A/1"}[well]
    assert said(shown("A01_s1.tif", well=well)) == (
        f"A01_s1.tif: Its well is {label!r}: not a row and a column, each of letters and digits, as in A/1; correct "
        "`well:`, or leave the file out with `skip:`."
    )


IMAGES = "images:\n  fields: {from: plate, group: channel, steps: [{stack: {along: c}}]}\n"
CHANNELS = '{files: "data/{row:[A-Z]+}{column:int}_w{channel:int}.tif"}'


def test_a_field_without_one_of_its_files(shown: Callable[..., Catalog]) -> None:
    files = [f"A0{c}_w{w}.tif" for c in (1, 2, 3) for w in (1, 2)]
    catalog = shown(*files[:-1], source=CHANNELS, images=IMAGES, from_="fields")
    assert said(catalog).startswith(
        "A03_w1.tif: 1 of 3 fields of the plate are not of 2 files as the others are: viewers show the whole plate as "
        "its first field says; see A/3"
    )
    assert len(catalog.images("screen7")) == 3


def test_files_are_counted_along_all_axes(shown: Callable[..., Catalog]) -> None:
    source = '{files: "data/{row:[A-Z]+}{column:int}_t{t:int}_z{z:int}.tif", stack: {t: t, z: z}}'
    files = [f"A0{c}_t{t}_z{z}.tif" for c in (1, 2, 3) for t in (1, 2) for z in (1, 2, 3)]
    catalog = shown(*[name for name in files if not name.startswith("A03") or "_z3" not in name], source=source)
    assert "1 of 3 fields of the plate are not of 6 files as the others are" in said(catalog)
    assert said(catalog).endswith("see A/3 (4, A03_t1_z1.tif).")


def test_a_field_whose_files_contradict_each_other_is_left_out(shown: Callable[..., Catalog]) -> None:
    source = '{files: "data/{row:[A-Z]+}{column:int}_w{channel:int}*.tif"}'
    catalog = shown("A01_w1.tif", "A01_w1 copy.tif", "A02_w1.tif", source=source, images=IMAGES, from_="fields")
    assert "Several images of 'plate' have channel=1" in said(catalog)
    assert list(catalog.images("screen7")) == ["p.ome.zarr/A/2/0"]


def test_a_plate_without_wells_shows_nothing(shown: Callable[..., Catalog]) -> None:
    catalog = shown("A01_s1.tif", plate="2x2", well='"Z/{column}"')
    assert "outside the plate of 2 x 2 wells" in said(catalog)
    assert not catalog.images("screen7")


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        ({"plate": "8by12"}, "must be rows and columns as in 8x12, or 6, 12, 24, 48, 96, 384, 1536, 3456, not '8by12'"),
        ({"plate": "100"}, "has no format of 100 wells; write 6, 12"),
        ({"plate": "0x4"}, "must be a whole number of at least 1"),
        ({"plate": "800x4"}, "`rows` must be at most 702, not 800"),
        ({"plate": "{rows: [A, a], columns: 3}"}, "`rows` names 'A' and 'a', which mean the same"),
        ({"plate": "{rows: [top row], columns: 3}"}, "`rows` must be names of letters and digits, not 'top row'"),
        ({"plate": "{rows: 3}"}, "needs `rows` and `columns`"),
        ({"well": '"{line}/{column}"'}, "line"),
        ({"well": '"{row}/{column}/{field}"'}, "must be a row and a column as in {row}/{column}"),
        ({"well": "", "field": '"{field}"'}, "has `field` and no `well`; add it as in {row}/{column}"),
        ({"acquisitions": "{1: {name: first}}"}, "has `acquisitions` and no `acquisition` that gives their values"),
        ({"acquisition": '"{field}"', "acquisitions": "{1: {starttime: yesterday}}"}, "must be a time as in 2026"),
        ({"acquisition": '"{field}"', "acquisitions": "{1: {starttime: 2026-03-01T09:00:00}}"}, "has no time zone"),
        ({"codec": "zstd", "shards": "512"}, "has `shards` and a `codec`; leave out one of the two"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, view: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(config(tmp_path, **view))
    assert sentence in str(refused.value)
    assert "config.yaml" in str(refused.value)


def test_large_plates_are_arranged_quickly(tmp_path: Path) -> None:
    """1536 wells of 4 fields of 3 channels: the files are looked at, none is opened."""
    (tmp_path / "data").mkdir()
    data = tmp_path / "one.tif"
    tifffile.imwrite(data, np.zeros((4, 4), "u1"))
    for row in rows(32):
        for column in range(1, 49):
            for field in range(1, 5):
                for w in (1, 2, 3):
                    (tmp_path / "data" / f"{row}{column:02}_s{field}_w{w}.tif").hardlink_to(data)
    source = '{files: "data/{row:letters}{column:int}_s{field:int}_w{channel:int}.tif", reader: tiff}'
    settings = load(config(tmp_path, source, IMAGES, from_="fields", plate="1536", field='"{field}"'))
    begun = time.process_time()
    catalog = open_catalog(settings)
    with closing(catalog.engine):
        assert time.process_time() - begun < 10, "about a second on an idle machine"
        assert len(catalog.images("screen7")) == 6144
        begun = time.process_time()
        assert len(catalog.page_now("screen7", "p.ome.zarr/", "", "/", 1000)) == 33
        assert len(catalog.page_now("screen7", "p.ome.zarr/AF/", "", "/", 1000)) == 49
        assert time.process_time() - begun < 1
        assert not any(mount.sources for _, mount in catalog.mounts("screen7")), "an image was opened"


def test_fields_that_turn_out_to_differ_are_told(shown: Callable[..., Catalog], tmp_path: Path) -> None:
    catalog = shown("A01_s1.tif", "A02_s1.tif")
    tifffile.imwrite(tmp_path / "data" / "A02_s1.tif", np.zeros((2, 8, 8), "u2"), metadata={"axes": "CYX"})
    catalog.probe(time.monotonic() + 30)
    assert said(catalog) == (
        "A02_s1.tif: Fields of the plate 'p.ome.zarr' are not alike: p.ome.zarr/A/2/0 is cyx of uint16, channels: 2, "
        "levels: 1, p.ome.zarr/A/1/0 is yx of uint8, channels: 1, levels: 1; viewers show the whole plate as its first "
        "field says."
    )
    assert len(catalog.images("screen7")) == 2


def test_fields_are_compared_with_the_first_in_whatever_order_they_are_opened(
    shown: Callable[..., Catalog], tmp_path: Path
) -> None:
    catalog = shown("A01_s1.tif", "A02_s1.tif", "A03_s1.tif")
    odd = tmp_path / "data" / "A03_s1.tif"
    tifffile.imwrite(odd, np.zeros((8, 8), "u2"))
    catalog.find_now("screen7", "p.ome.zarr/A/3/0/zarr.json")
    assert list(catalog.broken()) == [], "the only one that was opened"
    catalog.probe(time.monotonic() + 30)
    assert said(catalog).startswith("A03_s1.tif: Fields of the plate 'p.ome.zarr' are not alike: p.ome.zarr/A/3/0 is")
    tifffile.imwrite(odd, np.zeros((8, 8), "u1"))
    until = time.monotonic() + 10
    while catalog.broken() and time.monotonic() < until:
        time.sleep(0.1)
        catalog.find_now("screen7", "p.ome.zarr/A/3/0/zarr.json")
    assert list(catalog.broken()) == [], "it was put right"


def test_a_field_that_is_added_is_compared_with_those_that_are_open(
    shown: Callable[..., Catalog], tmp_path: Path
) -> None:
    catalog = shown("A01_s1.tif", "A02_s1.tif")
    catalog.probe(time.monotonic() + 30)
    tifffile.imwrite(tmp_path / "data" / "A03_s1.tif", np.zeros((8, 8), "u2"))
    catalog.rescan()
    catalog.probe(time.monotonic() + 30)
    assert said(catalog).startswith("A03_s1.tif: Fields of the plate")


def test_a_file_of_several_images_is_no_field(shown: Callable[..., Catalog], tmp_path: Path) -> None:
    catalog = shown("A01_s1.tif")
    with tifffile.TiffWriter(tmp_path / "data" / "A01_s1.tif") as writer:
        writer.write(np.zeros((8, 8), "u1"))
        writer.write(np.zeros((9, 9), "u1"))
    catalog.probe(time.monotonic() + 30)
    assert "A01_s1.tif: The file holds 2 images, and a field of a plate is one: say which with `series:`" in said(
        catalog
    )


def test_a_plate_at_the_root_of_a_bucket_has_no_name_of_its_own(shown: Callable[..., Catalog]) -> None:
    catalog = shown("A01_s1.tif", path='""')
    assert list(catalog.images("screen7")) == ["A/1/0"]
    (part,) = catalog.find_now("screen7", "zarr.json").file.body().parts
    assert isinstance(part, Literal)
    assert "name" not in json.loads(part.data)["attributes"]["ome"]["plate"]


def test_a_folder_that_is_no_plate_is_called_a_folder(shown: Callable[..., Catalog], tmp_path: Path) -> None:
    catalog = shown("A01_s1.tif", source=f"{{file: {tmp_path / 'data'}}}", well="", path="p")
    catalog.probe(time.monotonic() + 30)
    assert said(catalog) == (
        "data: The source is a folder, and none that is an image or a plate: name a file in it, or many with `files:`."
    )


def test_a_plate_whose_files_are_missing_is_told(tmp_path: Path) -> None:
    corpus = Path(__file__).parents[1] / "corpus" / "cv8000"
    (tmp_path / "c.yaml").write_text(
        f"bucket: screen7\nsources: {{plate: {{file: {corpus}}}}}\n"
        "views: [{type: ome-zarr-plate, from: plate, path: p.ome.zarr}]\n"
    )
    catalog = open_catalog(load(tmp_path / "c.yaml"))
    with closing(catalog.engine):
        catalog.probe(time.monotonic() + 30)
        assert said(catalog) == (
            "MeasurementData.mlf: 11 of 12 images of the plate lack files that its index names, the first is "
            "'D08 field 2': reading them fails, and viewers may show nothing of the plate; put the files back."
        )

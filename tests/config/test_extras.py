"""What an installation without extras lacks: told before anything is served, at the key that asks for it."""

import sys

import pytest

from s3facade.config.load import load
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids import schema

BIDS = """bucket: lab
sources:
  s: {synthetic: {shape: {y: 8, x: 8}}}
views:
  - type: bids
    name: N
    files: [{from: s, suffix: BF, entities: {sub: a, sample: b}, sidecar: {PixelSize: 1 um}}]
    samples: {sample_type: tissue}
"""
ARC = BIDS + "    arc: {assay: a}\n"
EXISTING = "bucket: lab\nviews:\n  - {type: bids, root: .}\n"
SHEET = """bucket: lab
sources:
  s: {files: "{a}.tif", join: [{table: t.xlsx, by: {a: A}}]}
views:
  - {type: ome-zarr, from: s, path: "{a}"}
"""
PARQUET = """server: {public_url: "http://127.0.0.1:9000"}
bucket: lab
views:
  - {type: collection, path: all}
"""


@pytest.fixture
def lacking(monkeypatch):
    """Makes a library look as if it were not installed."""
    schema.schema.cache_clear()
    yield lambda name: monkeypatch.setitem(sys.modules, name, None)
    schema.schema.cache_clear()


@pytest.mark.parametrize(
    ("library", "text", "said"),
    [
        ("bidsschematools.schema", BIDS, "5: views[0].type: views of type `bids` need bidsschematools; pip install"),
        (
            "bidsschematools.schema",
            EXISTING,
            "3: views[0].type: views of type `bids` need bidsschematools; pip install",
        ),
        ("openpyxl", ARC, "9: views[0].arc: workbooks are written by openpyxl: pip install 's3facade[tables]'"),
        ("openpyxl", SHEET, "t.xlsx: reading .xlsx needs openpyxl; pip install 's3facade[tables]', or save it as .csv"),
        ("pyarrow", PARQUET, "Parquet needs pyarrow: pip install 's3facade[parquet]', or write `formats: csv`"),
    ],
)
def test_what_is_not_installed_is_told_at_the_key_that_needs_it(tmp_path, lacking, library, text, said):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    lacking(library)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_data_sets_of_unknown_stores_are_told_at_their_folder(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("stores: {far: {url: s3://x/}}\nbucket: lab\nviews:\n  - {type: bids, root: 'far:a'}\n")
    with pytest.raises(ConfigError, match=r"4: views\[0\].root: a data set in a store cannot be shown whole"):
        load(path)

"""What is said about images: where it may be said, what wins, and the sentence for everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3facade.config.load import load
from s3facade.config.settings import Settings
from s3facade.config.views.about import constant, filled
from s3facade.config.views.collection import CollectionView, CrateView
from s3facade.core.errors import ConfigError

TEXT = """\
sources:
  scans:
    files: data/{animal}_{n:int}.tif
    about: {SOURCE}
images:
  small: {from: scans, steps: [{cast: float32}]}
server: {SERVER}
buckets:
  lab:
    about: {BUCKET}
    views:
      - {type: ome-zarr, from: small, path: "{animal}-{n}.ome.zarr", about: {VIEW}}
      MORE
"""


def loaded(folder: Path, **parts: str) -> Settings:
    text = TEXT
    for name in ("SOURCE", "BUCKET", "VIEW", "SERVER"):
        text = text.replace(f"{{{name}}}", f"{{{parts.get(name.lower(), '')}}}")
    path = folder / "config.yaml"
    path.write_text(text.replace("MORE", parts.get("more", "")), "utf-8")
    return load(path)


def said(settings: Settings, **captures: object) -> object:
    return filled(settings.buckets[0].views[0].about, captures)


def test_the_view_comes_before_the_source_and_the_source_before_the_bucket(tmp_path):
    settings = loaded(
        tmp_path,
        bucket="license: CC0, organism: Homo sapiens, modality: SPIM, specimen: {a: '1', b: '2'}",
        source='organism: Mus musculus, description: "of {animal}", specimen: {b: "{n}"}',
        view='description: "number {n:03}", authors: ["Doe, J", {name: Roe, orcid: 0000-0002-1825-0097}]',
    )
    assert said(settings, animal="m1", n=7) == {
        "license": "CC0",
        "organism": "Mus musculus",
        "modality": "SPIM",
        "specimen": {"a": "1", "b": "7"},
        "description": "number 007",
        "authors": [{"name": "Doe, J"}, {"name": "Roe", "orcid": "0000-0002-1825-0097"}],
    }


def test_values_stay_as_they_are_written(tmp_path):
    settings = loaded(tmp_path, view="name: NO, keywords: [2024-01-01, 0123], study: {x: yes}")
    assert constant(settings.buckets[0].views[0].about) == {
        "name": "NO",
        "keywords": ["2024-01-01", "0123"],
        "study": {"x": "yes"},
    }


@pytest.mark.parametrize(
    ("parts", "line", "sentence"),
    [
        ({"view": "license: mine"}, "about.license", "must be an SPDX id such as CC-BY-4.0"),
        ({"source": "organism: mouse"}, "about.organism", "must be an NCBI taxon such as NCBI:txid10090"),
        ({"bucket": "modality: microscope"}, "about.modality", "must be a term of FBbi"),
        ({"view": "publication: 10.1"}, "about.publication", "must be a DOI"),
        ({"view": "authors: [{name: A, orcid: 0000-0002-1825-0098}]"}, "about.authors", "look for a typing error"),
        ({"view": "authors: [{orcid: 0000-0002-1825-0097}]"}, "name", "add it"),
        ({"view": "authors: [{name: A, mail: a@b}]"}, "mail", "is not a known key"),
        ({"view": "licence: CC0"}, "licence", "is not a known key"),
        ({"view": "date_published: yesterday"}, "about.date_published", "must be a day such as 2024-05-31"),
        ({"view": 'name: "{animl}"'}, "about.name", "animl"),
        ({"view": 'description: "half {open"'}, "about.description", "template"),
        ({"source": 'specimen: {a: "{nobody}"}'}, "about.specimen.a", "nobody"),
        ({"more": "- {type: ro-crate, about: {license: CC0}}"}, "views[1]", "must have a name"),
        ({"more": "- {type: ro-crate, about: {name: All}}"}, "views[1]", "must have a license"),
        ({"more": "- {type: ro-crate, about: {name: '{animal}', license: CC0}}"}, "about.name", "no captures"),
        ({"more": "- {type: ro-crate, path: '{animal}', about: {name: A, license: CC0}}"}, "path", "no captures"),
        ({"more": "- {type: ro-crate, about: {name: A, license: nope}}"}, "about.license", "SPDX id"),
        ({"more": "- {type: ro-crate, about: {name: A, license: CC0, study: 'a {'}}"}, "about.study", "stands alone"),
        ({"more": "- {type: collection}"}, "views[1]", "add `public_url` under `server:`"),
        ({"more": "- {type: collection, url: here}"}, "url", "must be as in https://"),
        ({"more": "- {type: collection, url: 'https://h/b', formats: xlsx}"}, "formats", "csv"),
        ({"server": "public_url: s3.example.org"}, "public_url", "must be as in https://s3.example.org"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(tmp_path, parts, line, sentence):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, **parts)
    told = str(caught.value)
    assert "config.yaml:" in told, told
    assert line in told, told
    assert sentence in told, told


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, view="license: mine, organism: mouse", more="- {type: collection}")
    assert len(str(caught.value).splitlines()) == 3


def test_values_that_are_not_given_are_no_captures(tmp_path):
    more = "- {type: ro-crate, about: {name: A, license: CC0, biosample: {age: null, strains: [B6, null]}}}"
    assert loaded(tmp_path, more=more).buckets[0].views[1].about["biosample"] == {"strains": ["B6"]}


def test_views_about_the_bucket(tmp_path):
    settings = loaded(
        tmp_path,
        bucket='license: CC-BY-4.0, name: "{animal}", organism: "{animal}", modality: SPIM',
        server="public_url: https://s3.example.org/",
        more="- {type: ro-crate, about: {name: All of it}}\n      - {type: collection, path: t/all, formats: csv}",
    )
    crate, table = settings.buckets[0].views[1:]
    assert isinstance(crate, CrateView)
    assert crate.about == {
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "name": "All of it",
        "modality": "obo:FBbi_00000369",
    }
    assert isinstance(table, CollectionView)
    assert (table.url, table.path, table.formats) == ("https://s3.example.org/lab", "t/all", ("csv",))
    assert settings.server.public_url == "https://s3.example.org"


def test_parquet_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setattr("s3facade.config.models.collection.missing", lambda: "Parquet needs pyarrow")
    with pytest.raises(ConfigError, match="Parquet needs pyarrow"):
        loaded(tmp_path, more="- {type: collection, url: 'https://h/b'}")
    loaded(tmp_path, more="- {type: collection, url: 'https://h/b', formats: csv}")

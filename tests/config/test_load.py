"""A whole configuration, and every way to get it wrong: each error names file, line and key, and what to do."""

import re
from pathlib import Path

import jsonschema
import pytest

from s3facade.codecs.compress import compressed
from s3facade.config.load import load
from s3facade.config.model import schema
from s3facade.config.settings import Settings
from s3facade.config.views.files import FilesView
from s3facade.config.views.image import ImageView
from s3facade.core.errors import ConfigError
from s3facade.transforms.values.cast import Cast

TEXT = """\
sources:
  scans: {files: "/data/scans/**/{name}.ome.tif", skip: ["**/old/**"], pixel_size: 0.5 um}
  one:
    file: ../a.tif
    series: 1
    pixel_size: {z: 2 um, y: 500 nm, x: 0.5 um}
    options: {a: 1, b: "1", c: [true, x]}
  demo: {synthetic: {shape: {x: 4096, y: 512, c: 2}, dtype: uint16}}
  masks: {files: "/data/masks/{name}.tif"}
images:
  small: {from: scans, steps: [{cast: float32}]}
buckets:
  scans:
    access: private
    views:
      - type: ome-zarr
        from: small
        path: "{name}.ome.zarr"
        chunks: 512
        shards: {z: 64, y: 64}
        dtype: float32
        labels: {nuclei: masks}
      - {type: files, root: data/scans, path: "files"}
  no1:
    views: [{type: ome-zarr, from: demo, path: NO, shards: false}]
access: [{key: "${KEY}", secret: "${SECRET}", buckets: [scans]}]
limits: {memory: 4 GiB, workers: auto, queue: 100}
server: {port: 9001, access_log: true, rescan: 1 min}
"""
ENVIRONMENT = {"KEY": "AKIA", "SECRET": "very-secret"}


def loaded(tmp_path: Path, text: str = TEXT) -> Settings:
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    return load(path, ENVIRONMENT)


def test_a_whole_configuration(tmp_path):
    settings = loaded(tmp_path)
    scans, one, demo = (settings.sources[n] for n in ("scans", "one", "demo"))
    assert scans.files.root == Path("/data/scans")
    assert scans.pixel_size == {"y": 0.5, "x": 0.5}
    assert scans.skip[0].accepts(Path("/data/scans/a/old/b/c.ome.tif"))
    assert one.file == tmp_path.parent / "a.tif"
    assert one.pixel_size == {"z": 2.0, "y": 0.5, "x": 0.5}
    assert one.options == {"a": 1, "b": "1", "c": [True, "x"]}
    assert list(demo.synthetic["shape"].items()) == [("c", 2), ("y", 512), ("x", 4096)]
    assert settings.images["small"].steps[0].operator == Cast("float32")
    assert (settings.limits.memory, settings.limits.workers, settings.limits.queue) == (4 * 2**30, None, 100)
    assert (settings.server.port, settings.server.access_log, settings.server.rescan) == (9001, True, 60.0)
    assert settings.path == tmp_path / "config.yaml"
    assert settings.modified == settings.path.stat().st_mtime_ns


def test_views(tmp_path):
    scans, other = loaded(tmp_path).buckets
    image, files = scans.views
    assert isinstance(image, ImageView)
    assert (image.source, image.options["chunks"], image.options["shards"], image.labels) == (
        "small",
        512,
        {"z": 64, "y": 64},
        {"nuclei": "masks"},
    )
    assert files == FilesView(tmp_path / "data/scans", "files")
    assert (other.access, other.views[0].options["shards"]) == ("public", False)


def test_plain_scalars_are_text_as_in_yaml_1_2(tmp_path):
    assert loaded(tmp_path).buckets[1].views[0].path.text == "NO"


def test_secrets_come_from_the_environment_and_are_not_shown(tmp_path):
    (credential,) = loaded(tmp_path).access
    assert (credential.key, credential.secret) == ("AKIA", "very-secret")
    assert "very-secret" not in repr(credential)


def test_two_dollars_are_one(tmp_path):
    text = TEXT.replace("path: NO", 'path: "$${KEY}"').replace("NO", "x")
    with pytest.raises(ConfigError, match="no capture of 'demo' called 'KEY'"):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("skip:", "skp:", 2, "sources.scans.skp: is not a known key; did you mean `skip`"),
        ("chunks: 512", "chunks: x", 19, "buckets.scans.views[0].chunks: must be a whole number of at least 1"),
        ("chunks: 512", "chunks: {q: 1}", 19, "has the axis 'q'"),
        ("chunks:", "chunk:", 19, "did you mean `chunks`"),
        ("4 GiB", "4", 27, "limits.memory: must be a number and a unit"),
        (
            '"{name}.ome.zarr"',
            '"{nme}.ome.zarr"',
            18,
            "no capture of 'small' called 'nme'; did you mean 'name'? known: name, stem, path",
        ),
        ("from: small", "from: smal", 17, "no source or image called 'smal'"),
        ("type: files", "type: fils", 23, "views[1].type: must be one of"),
        ("{cast: float32}", "{cast: flat}", 11, "'float32'"),
        (
            "{cast: float32}",
            "{blur: 3}",
            11,
            "images.small.steps[0].blur: There is no transform called 'blur'; known: ",
        ),
        ("{cast: float32}", "{}", 11, "images.small.steps[0]: must be a mapping of one key"),
        (
            "{cast: float32}",
            "{cast: {type: float32}}",
            11,
            "steps[0].cast.type: is not a known key; did you mean `dtype`?",
        ),
        ("{cast: float32}", "{cast: {}}", 11, "steps[0].cast.dtype: is missing; add it"),
        ("{cast: float32}", "cast", 11, "steps[0].dtype: is missing; add it"),
        ("from: scans, steps", "from: [scans, masks], steps", 11, "the first step must make one image of several: "),
        (
            "from: scans, steps",
            "from: scans, group: name, steps",
            11,
            "the first step must make one image of several: ",
        ),
        (
            "from: scans, steps",
            "from: scans, group: nme, steps",
            11,
            "no capture of 'scans' called 'nme'; did you mean 'name'? known: name",
        ),
        ("from: scans, steps", "from: [scans, mask], steps", 11, "no source or image called 'mask'"),
        ("from: scans, steps", "from: small, steps", 11, "goes in a circle"),
        ("access_log: true", "access_log: maybe", 28, "must be true or false, not 'maybe'"),
        ("  no1:", "  NO:", 24, "a bucket's name has 3 to 63"),
        ("  no1:", "  1.2.3.4:", 24, "a bucket's name"),
        ("queue: 100", "queue: -1", 27, "greater than or equal to 1"),
        ("port: 9001", "port: 99999", 28, "65535"),
        ("${KEY}", "${KY}", 26, "access[0].key: the environment variable KY is not set"),
        ("root: data/scans, ", "", 23, "root: is missing; add it"),
        ("x: 4096, ", "", 8, "needs the axes y and x"),
        ("file: ../a.tif", "files: ../", 4, "names no file"),
        ("series: 1", "files: x.tif", 3, "exactly one of"),
        ("buckets: [scans]", "buckets: [scan]", 26, "no bucket called 'scan'"),
        ("buckets: [scans]", "buckets: [no1]", 14, "no access key opens this bucket"),
        ("  one:", "  scans:", 3, "is given twice"),
        ("images:\n  small", "images:\n  scans", 11, "a source is called 'scans' too"),
        ("masks/{name}.tif", "masks/{other}.tif", 22, "shares no capture"),
        ('path: "files"', 'path: "{name}.ome.zarr"', 23, "no captures"),
        ("pixel_size: 0.5 um", "pixel_size: 0.5", 2, "'0.5 um'"),
        ("sources:", "sources: [", 3, "not valid YAML"),
        ("series: 1", "series: !!int 1\n    x: !evil 2", 6, "the tag !evil is not supported"),
        ("views: [", "views: x, [", 25, "not valid YAML"),
        ("series: 1", "series: one", 5, "must be a whole number, not 'one'"),
    ],
)
def test_an_error_names_file_line_key_and_what_to_do(tmp_path, old, new, line, expected):
    assert TEXT.count(old)
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, TEXT.replace(old, new, 1))
    sentences = str(caught.value).splitlines()
    assert any(s.startswith(f"{tmp_path / 'config.yaml'}:{line}: ") and expected in s for s in sentences), sentences


@pytest.mark.parametrize(
    ("path", "apart"),
    [("files", True), ("", False), ("images", False), ("images/x", True), ("image", True), ("images2", True)],
)
def test_views_whose_keys_would_mix_are_refused(tmp_path, path, apart):
    text = (
        "sources: {s: {synthetic: {shape: {y: 8, x: 8}}}}\n"
        "buckets:\n  abc:\n    views:\n"
        '      - {type: ome-zarr, from: s, path: "images/{stem}"}\n'
        f'      - {{type: files, root: x, path: "{path}"}}\n'
    )
    if apart:
        assert loaded(tmp_path, text).buckets
    else:
        with pytest.raises(ConfigError, match=r":5: .*views\[0\].path: its keys lie among .*; keep them apart"):
            loaded(tmp_path, text)


def test_two_sources_may_fill_one_prefix_but_not_one_path(tmp_path):
    text = (
        "sources: {s: {synthetic: {shape: {y: 8, x: 8}}}, t: {synthetic: {shape: {y: 8, x: 8}}}}\n"
        "buckets:\n  abc:\n    views:\n"
        '      - {type: ome-zarr, from: s, path: "{stem}"}\n'
        '      - {type: ome-zarr, from: t, path: "{stem}"}\n'
    )
    assert len(loaded(tmp_path, text).buckets[0].views) == 2
    with pytest.raises(ConfigError, match=r":6: .*keep them apart"):
        loaded(tmp_path, text.replace("{stem}", "x"))


def test_all_errors_are_told_at_once_and_secrets_are_not(tmp_path):
    text = TEXT.replace("skip:", "skp:").replace("queue: 100", "queue: no").replace("${SECRET}", "short")
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 3
    assert "short'" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "just text", "- a\n- b\n", "a: &x [*x]\n", "? [a]\n: b\n", "a: b: c", "\x00", "%"]
)
def test_what_is_no_configuration_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=str(tmp_path)):
        loaded(tmp_path, text)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "binary.yaml")


def test_the_published_schema_accepts_what_the_loader_accepts():
    import yaml

    document = yaml.safe_load(TEXT.replace("NO", '"NO"'))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())
    document["sources"]["scans"]["skp"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("raw", None),
        ("zstd", ("zstd", None)),
        ("{name: gzip, level: 6}", ("gzip", 6)),
        ("{name: blosc}", ("blosc", None)),
    ],
)
def test_codecs(tmp_path, codec, expected):
    text = TEXT.replace("path: NO, shards: false}", f"path: NO, codec: {codec}}}")
    assert loaded(tmp_path, text).buckets[1].views[0].options["codec"] == (compressed(*expected) if expected else None)
    assert loaded(tmp_path).buckets[1].views[0].options["codec"] is None
    assert loaded(tmp_path).buckets[1].list_sizes == "compute"
    chosen = text.replace("no1:\n", "no1:\n    list_sizes: omit\n")
    assert loaded(tmp_path, chosen).buckets[1].list_sizes == "omit"


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("codec: lzma", "must be raw, zstd, gzip, blosc, not 'lzma'"),
        ("codec: {name: zstd, level: 23}", "has levels from 1 to 22 for zstd, not 23"),
        ("codec: {name: zstd, level: 0}", "whole number of at least 1"),
        ("codec: {level: 3}", "must be a codec, or as in {name: zstd, level: 3}"),
        ("codec: {name: zstd, speed: 3}", "must be a codec, or as in {name: zstd, level: 3}"),
        ("codec: zstd, shards: 1024", "leave out one of the two"),
    ],
)
def test_codecs_that_cannot_be(tmp_path, view, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        loaded(tmp_path, TEXT.replace("path: NO, shards: false}", f"path: NO, {view}}}"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("files: {n}.tif", "; put text with any of"),
        ("files: *.tif", "; put text with any of"),
        ("files: d/x: y.tif", "; put text with any of"),
        ('files: "C:\\data"', "; a backslash in double quotes begins an escape: use single quotes"),
        ("\tfiles: a", "; indent with blanks"),
        ("files: 'a\0b'", "c.yaml:3: holds the character 0x00, which is no text"),
        ('files: "a\\0b"', "c.yaml:3: sources.s.files: holds the character 0x0, which neither paths nor keys have"),
        ('files: "a\\ud800b"', "c.yaml:3: sources.s.files: holds the character 0xd800, which neither paths nor keys"),
    ],
)
def test_what_to_do_about_mistakes_in_yaml(tmp_path, line, said):
    (tmp_path / "c.yaml").write_text(f"sources:\n  s:\n    {line}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "c.yaml")
    assert "c.yaml:3: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("word", ["true", "No"])
def test_unmatched_is_a_prefix_and_no_switch(tmp_path, word):
    (tmp_path / "c.yaml").write_text(
        'sources: {s: {files: "d/{n}.tif"}}\n'
        f'buckets: {{abc: {{unmatched: {word}, views: [{{type: ome-zarr, from: s, path: "{{n}}"}}]}}}}\n'
    )
    with pytest.raises(
        ConfigError, match=f"unmatched: is the prefix of the files that match nothing, not '{word}'; write"
    ):
        load(tmp_path / "c.yaml")

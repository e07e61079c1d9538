"""What is shown after changes is what another start would show: keys, ETags, what is broken, and the report."""

import random
import shutil
import time

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.config.template import Template
from s3facade.engine.engine import Engine, EngineLimits

CONFIG = """
sources:
  sections:
    files: "tree/{animal}_{state}/{name:m[0-9]+}_{stain:[^_]+}_sec{section:int}*.tif"
    values: {stain: {"cresyl violet": CV, "H&E": HE}}
    join: [{table: animals.csv, by: {animal: Animal ID}}]
buckets:
  images:
    views:
      - {type: ome-zarr, from: sections, path: "{animal}/{section:03}_{stain}.ome.zarr"}
      - {type: ome-zarr, from: sections, path: "all/{stem}.ome.zarr", about: {name: "{animal}, {Sex}"}}
  bids:
    views:
      - type: bids
        name: Sections
        license: CC0
        authors: [Doe J]
        files:
          - from: sections
            suffix: BF
            as: ome.zarr
            entities: {sub: "{animal}", sample: "s{section:03}", stain: "{stain}"}
            sidecar: {PixelSize: 0.5 um, BodyPart: "{state}"}
        participants: {species: mus musculus, sex: "{Sex}", age: "{Age}"}
        samples: {sample_type: tissue, pathology: "{state}"}
"""
ANIMALS = ("m1", "m2", "m3", "M3", "m4")
STATES = ("x", "final", "NEW")
STAINS = ("cresyl violet", "H&E", "PV", "P+V", "P V")


@pytest.fixture
def lab(tmp_path):
    """A configuration over folders with some files."""
    (tmp_path / "c.yaml").write_text(CONFIG)
    table(tmp_path, random.Random(0))
    chosen = random.Random(1)
    for _ in range(25):
        add(tmp_path, chosen)
    return tmp_path


def table(root, chosen):
    """Write the table; one of the animals may be missing."""
    rows = [f"{a},{chosen.choice('MFx')},{chosen.randint(1, 90)}" for a in ANIMALS if chosen.random() < 0.9]
    (root / "animals.csv").write_text("\n".join(["Animal ID,Sex,Age", *rows, "m9,F,1"]) + "\n")


def files(root):
    return sorted(path for path in (root / "tree").rglob("*") if path.is_file())


def name(root, chosen):
    """A path that may be there already; in one folder or another, it may give the same keys as others do."""
    animal = chosen.choice(ANIMALS)
    folder = root / "tree" / f"{animal}_{chosen.choice(STATES)}"
    folder.mkdir(parents=True, exist_ok=True)
    end = chosen.choice(("", "", "_40x", "_10x"))
    if chosen.random() < 0.1:
        return folder / chosen.choice(("notes.txt", "m1_PV_secX.tif"))
    return folder / f"{animal.lower()}_{chosen.choice(STAINS)}_sec{chosen.randint(0, 3):03}{end}.tif"


def add(root, chosen):
    path = name(root, chosen)
    if chosen.random() < 0.1:
        path.write_bytes(b"no image")
    else:
        tifffile.imwrite(path, np.full((8, 8), chosen.randint(0, 255), "u1"), metadata=None)


def remove(root, chosen):
    chosen.choice(files(root)).unlink()


def rename(root, chosen):
    there = chosen.choice(files(root))
    there.rename(name(root, chosen))


def replace(root, chosen):
    path = chosen.choice(files(root))
    path.unlink()
    tifffile.imwrite(path, np.full((8, 8), chosen.randint(0, 255), "u2"), metadata=None)


def drop(root, chosen):
    shutil.rmtree(chosen.choice([path for path in (root / "tree").iterdir() if path.is_dir()]))


def opened(root):
    """As at a start that knows nothing yet."""
    return Catalog(load(root / "c.yaml", {}), Engine(registry.reader, EngineLimits(memory=64 << 20)))


def told(catalog, bucket):
    """All that anybody can see of a bucket."""
    objects = [(item.key, item.etag, item.file.size) for item in catalog.page_now(bucket, "", "", "", 1 << 20)]
    plan = catalog.plan(bucket)
    return objects, sorted(plan.mounts), plan.report, sorted(map(repr, plan.broken)), catalog.images(bucket)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_shown_after_changes_is_what_another_start_shows(lab, seed):
    chosen = random.Random(seed)
    shown = opened(lab)
    seen = set()
    for _ in range(8):
        for _ in range(chosen.randint(1, 3)):
            change = chosen.choice((add, add, add, remove, rename, replace, table, drop))
            if files(lab) or change in (add, table):
                change(lab, chosen)
        # Folders that changed a moment ago are listed again in any case.
        time.sleep(0.06 * chosen.randint(0, 1))
        shown.rescan(thorough=chosen.random() < 0.5)
        other = opened(lab)
        shown.probe(time.monotonic() + 60)
        other.probe(time.monotonic() + 60)
        for bucket in ("images", "bids"):
            assert told(shown, bucket) == told(other, bucket)
            seen.update(broken.reason for broken in shown.plan(bucket).broken)
        assert shown.broken() == other.broken()
    # Nothing would be compared if nothing ever went wrong.
    assert any("already" in reason for reason in seen)


def test_what_did_not_change_is_not_arranged_again(lab, monkeypatch):
    catalog = opened(lab)
    time.sleep(0.06)
    catalog.rescan(thorough=False)
    before = {bucket: dict(catalog.plan(bucket).mounts) for bucket in ("images", "bids")}
    filled = []
    fill = Template.fill
    monkeypatch.setattr(
        Template, "fill", lambda self, captures: filled.append(captures["path"]) or fill(self, captures)
    )
    new = lab / "tree" / "m4_x" / "m4_H&E_sec077.tif"
    new.parent.mkdir(exist_ok=True)
    tifffile.imwrite(new, np.zeros((8, 8), "u1"))
    catalog.rescan(thorough=False)
    here = {path for path in filled if path.startswith("m4_x/")}
    assert f"m4_x/{new.name}" in here
    # Beside those of its folder, files whose keys others have taken are told again.
    assert len(set(filled) - here) < len(files(lab)) - len(here)
    for bucket, mounts in before.items():
        now = catalog.plan(bucket).mounts
        assert all(now[key] is mount for key, mount in mounts.items())
        assert len(now) > len(mounts)

"""The example of a registered volume, with one view more: its chunks in shards."""

from __future__ import annotations

from pathlib import Path

from conformance.server import ROOT

EXAMPLE = ROOT / "examples" / "registered_volume"


def configuration(base: Path) -> Path:
    """A configuration file in the folder ``base``; its bucket ``dna`` has ``dna.ome.zarr``, ``dna`` and ``shards``."""
    text = (EXAMPLE / "volume.yaml").read_text("utf-8")
    for name in ("dna.ome.tif", "upright.txt"):
        text = text.replace(f" {name}\n", f" {EXAMPLE / name}\n")
    text += "      - {type: precomputed, from: registered, path: shards, chunks: 16, sharded: true}\n"
    path = base / "config.yaml"
    path.write_text(text, "utf-8")
    return path

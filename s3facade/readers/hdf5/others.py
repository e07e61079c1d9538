"""HDF5 files of other kinds of data: their tables of numbers look like images, and are none."""

from __future__ import annotations

from s3facade.readers.hdf5.attributes import text
from s3facade.readers.hdf5.library import Tree, names, own_group


def kind(tree: Tree) -> str | None:
    """What a file holds that is surely no image, in words; None if it does not say so.

    Sources: the on-disk format of anndata 0.7 and later, the legacy and version 3 weights of Keras, the file format of
    loom 3, the feature-barcode matrices of 10x Genomics, tables of pandas.
    """
    root = tree.root.item
    encoding = (text(root, "encoding-type") or "").lower()
    if encoding in ("anndata", "mudata"):
        return "annotated data (AnnData)"
    members = set(names(root))
    if members >= {"X", "obs", "var"}:
        return "annotated data (AnnData)"
    if any(name in root.attrs for name in ("keras_version", "model_config")) or _keras(tree, members):
        return "weights of a model (Keras)"
    if members >= {"matrix", "row_attrs", "col_attrs"}:
        return "a matrix of gene expression (loom)"
    groups = {name: item for name in sorted(members)[:16] if (item := own_group(root, name)) is not None}
    if "matrix" in groups and {"barcodes", "indptr"} <= set(groups["matrix"]):
        return "a matrix of gene expression (10x Genomics)"
    if groups and all(text(group, "pandas_type") for group in groups.values()):
        return "tables (pandas)"
    if {"ilastikVersion", "workflowName"} <= members:
        return "a project of ilastik"
    return None


def _keras(tree: Tree, members: set[str]) -> bool:
    """Weights without the model: by layer, or by path as version 3 has them."""
    if tree.root.item.attrs.keys() >= {"layer_names", "backend"}:
        return True
    return {"layers", "vars"} <= members or {"_layer_checkpoint_dependencies", "vars"} <= members

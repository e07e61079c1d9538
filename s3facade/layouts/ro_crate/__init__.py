"""RO-Crate: what an image or a dataset is, under which licence, of what and how it was made, as JSON-LD.

Two forms: the one of the OME 2024 NGFF challenge inside an OME-Zarr (RO-Crate 1.1), and RO-Crate 1.2 for datasets.
Everything here is a pure function of what the operator says and of what is known about the images; identifiers are
derived, so that equal contents have equal bytes.
"""

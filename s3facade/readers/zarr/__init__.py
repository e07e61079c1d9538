"""Zarr 2 and 3, and OME-Zarr 0.1 to 0.5."""

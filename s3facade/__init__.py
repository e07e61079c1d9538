"""A read-only S3 server that shows original images as OME-Zarr, computed on request."""

__version__ = "0.1.0"

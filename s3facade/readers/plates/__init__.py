"""Datasets of many files: an index names single planes, each in a TIFF of its own."""

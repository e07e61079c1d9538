"""DICOM: series of slices, frames in one file, and whole slides."""

"""The TIFF family. `reader.TiffReader` is the way in."""

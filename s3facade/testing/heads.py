"""The first bytes of files of many formats, with names that they have: what a reader must not take for its own."""

from __future__ import annotations

from collections.abc import Mapping

HEADS: Mapping[str, tuple[str, bytes]] = {
    "png": ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "jpeg": ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1"),
    "gif": ("a.gif", b"GIF89a\1\0\1\0\x80"),
    "bmp": ("a.bmp", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
    "webp": ("a.webp", b"RIFF\x24\0\0\0WEBPVP8 "),
    "avif": ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0"),
    "jp2": ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
    "tiff": ("a.tif", b"II*\0\x08\0\0\0"),
    "tiff-big-endian": ("a.tif", b"MM\0*\0\0\0\x08"),
    "bigtiff": ("a.btf", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"),
    "hdf5": ("a.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0"),
    "netcdf": ("a.nc", b"CDF\1\0\0\0\0"),
    "npy": ("a.npy", b"\x93NUMPY\1\0v\0{'descr': '<u2'"),
    "nifti": ("a.nii", b"\x5c\1\0\0" + bytes(340) + b"n+1\0"),
    "nifti2": ("a.nii", b"\x1c\2\0\0n+2\0\r\n\x1a\n"),
    "gzip": ("a.txt.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\xff"),
    "bzip2": ("a.txt.bz2", b"BZh91AY&SY"),
    "zip": ("a.zip", b"PK\3\4\x14\0\0\0\x08\0"),
    "dicom": ("a.dcm", bytes(128) + b"DICM\2\0\0\0UL\4\0"),
    "mrc": ("a.mrc", b"\x10\0\0\0" * 3 + b"\2\0\0\0" + bytes(192) + b"MAP DD\0\0"),
    "nrrd": ("a.nrrd", b"NRRD0004\ntype: short\n"),
    "metaimage": ("a.mhd", b"ObjectType = Image\nNDims = 3\n"),
    "czi": ("a.czi", b"ZISRAWFILE\0\0\0\0\0\0"),
    "nd2": ("a.nd2", b"\xda\xce\xbe\x0a\x30\0\0\0ND2 FILE SIGNATURE"),
    "lif": ("a.lif", b"\x70\0\0\0\x10\0\0\0\x2a\5\0\0\0<\0L\0"),
    "ole": ("a.oib", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "deltavision": ("a.dv", b"\0\2\0\0" * 2 + bytes(88) + b"\xa0\xc0"),
    "dm3": ("a.dm3", b"\0\0\0\3\0\1\0\0\0\0\0\1"),
    "fits": ("a.fits", b"SIMPLE  =                    T"),
    "json": ("a.json", b'{"name": "nothing"}'),
    "zarr": ("zarr.json", b'{"zarr_format": 3, "node_type": "group"}'),
    "xml": ("a.xml", b'<?xml version="1.0"?>\n<html/>'),
    "csv": ("a.csv", b"x,y,z\n1,2,3\n"),
    "pdf": ("a.pdf", b"%PDF-1.7\n"),
    "elf": ("a.bin", b"\x7fELF\2\1\1\0"),
    "empty": ("empty", b""),
    "zeros": ("a.dat", bytes(4096)),
    "ones": ("a.dat", b"\xff" * 4096),
    "text": ("README.txt", b"This is the text of a letter.\n" * 40),
}
"""By format: a name and a head."""

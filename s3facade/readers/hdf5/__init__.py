"""HDF5 and what is written in it: h5py reads the structure, ranges of the file and imagecodecs give the pixels."""

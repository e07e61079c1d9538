"""LIF and its kin, the files of Leica LAS X: XML that describes images, blocks of plain numbers."""

"""ND2, the files of Nikon NIS-Elements: named chunks, a map of them at the end, frames of pixels."""

"""Floor 1: file formats, parsed into tables of source chunks."""

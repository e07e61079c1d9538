"""Floor 1: image to image, without I/O."""

"""Floor 1: voxels to bytes."""

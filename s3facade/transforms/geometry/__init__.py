"""Boxes, axes, channels and what is known about them: every voxel keeps its value."""

"""Whole slides that only OpenSlide reads."""

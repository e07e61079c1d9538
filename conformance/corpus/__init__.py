"""Comparison with a corpus of real files."""

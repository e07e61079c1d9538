"""Neuroglancer's precomputed volumes."""

"""Formats that only Bio-Formats reads, through a program of its own."""

"""Viewers in a real browser."""

"""Contracts and strategies for authors of plug-ins."""

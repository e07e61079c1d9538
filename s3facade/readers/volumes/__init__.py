"""Volumes of electron microscopes, scanners and of NumPy: short headers before plain numbers, one module per format."""

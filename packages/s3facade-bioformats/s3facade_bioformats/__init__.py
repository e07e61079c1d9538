"""Bio-Formats as a program of its own."""

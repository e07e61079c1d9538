"""Logs and the record of a request; may be imported by floors 2 to 5."""

"""BIDS datasets: names, tables, sidecars and documents; which of them are allowed says the schema of the standard."""

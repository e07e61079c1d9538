"""Images on other grids: matrices, displacement fields, and chains of both."""

"""Values one by one: types, windows, colours, thresholds."""

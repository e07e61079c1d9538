"""Floor 1: where original bytes are read from."""

"""Floor 1: datasets to key spaces."""

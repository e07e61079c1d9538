"""Floor 2: the only interpreter of plans: workers, caches, budget."""

"""Floor 5: the composition root, the only place that knows all names, and the processes that it runs in."""

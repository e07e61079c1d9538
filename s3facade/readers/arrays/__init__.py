"""Arrays as most formats store them: plain runs of numbers or regular chunks, as chunk tables."""

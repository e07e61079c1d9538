"""Floor 3: buckets and what is mounted in them."""

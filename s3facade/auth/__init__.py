"""Floor 4: who asks, and whether he may."""

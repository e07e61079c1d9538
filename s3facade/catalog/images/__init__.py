"""Images before and after they are opened: recipes, what belongs to them, and mounts that show them."""

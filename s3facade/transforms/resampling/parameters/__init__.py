"""Files that transforms read their numbers from: matrices and displacement fields."""

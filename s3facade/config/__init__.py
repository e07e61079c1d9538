"""Floor 3: what the user wrote, as frozen data. pydantic and YAML live here and nowhere else."""

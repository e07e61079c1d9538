"""Floor 3: the configuration file; pydantic and YAML live here."""

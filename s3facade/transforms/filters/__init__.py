"""Values from their neighbours."""

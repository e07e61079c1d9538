"""The shape of views in the configuration file, one module per kind."""

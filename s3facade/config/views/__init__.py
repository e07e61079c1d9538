"""Views as the rest of the package reads them: plain frozen data, one module per kind."""

"""OIF and OIB, the files of Olympus FluoView: planes as TIFFs, settings as text; in a folder, or in one file."""

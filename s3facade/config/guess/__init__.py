"""A first configuration from the names of files: guesses, to be corrected by a human. Pure: no file is opened."""

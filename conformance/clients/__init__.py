"""One file a client; every test talks to a server process over its socket."""

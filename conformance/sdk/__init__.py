"""SDKs of other languages, each a small program driven over lines of JSON."""

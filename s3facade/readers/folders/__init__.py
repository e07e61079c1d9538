"""Images that are folders: chunks in files of their own, or in shards, described by documents beside them."""

"""Floor 4: the S3 protocol; aiohttp lives here and in app."""

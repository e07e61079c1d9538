"""N5, and the conventions by which its groups are images of several resolutions."""

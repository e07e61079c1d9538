"""Several images to one."""

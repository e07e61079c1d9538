"""What views show and where: from what there is to mounts and documents at keys, one module per kind of view."""

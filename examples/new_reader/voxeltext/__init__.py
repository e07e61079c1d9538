"""A reader of VoxelText files for s3facade."""

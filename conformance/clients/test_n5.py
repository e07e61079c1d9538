"""n5-aws-s3 and n5-zarr, which Fiji reads with: a named absence in the table."""

import pytest

pytest.skip(
    "n5-aws-s3 and n5-zarr are published in a Maven repository of their own, not in Maven Central, from which "
    "alone the tests fetch Java; the AWS SDKs for Java below them are tested",
    allow_module_level=True,
)

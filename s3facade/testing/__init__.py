"""Beside the floors: the promises of plug-ins as checks, for this package's tests and for those of others.

Needs hypothesis: ``pip install s3facade[testing]``.
"""

from s3facade.testing.images import images, in_memory
from s3facade.testing.law import check_identities, check_law
from s3facade.testing.plain import read, whole

__all__ = ["check_identities", "check_law", "images", "in_memory", "read", "whole"]

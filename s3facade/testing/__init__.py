"""Beside the floors: the promises of plug-ins as checks, for this package's tests and for those of others.

`ReaderContract` needs pytest; what is for transforms needs hypothesis: ``pip install s3facade[testing]`` brings both.
"""

from importlib.util import find_spec

# Each is there without what the other needs.
if find_spec("hypothesis") is not None:
    from s3facade.testing.images import images, in_memory
    from s3facade.testing.law import check_identities, check_law
    from s3facade.testing.plain import read, whole
if find_spec("pytest") is not None:
    from s3facade.testing.readers import ReaderContract

__all__ = ["ReaderContract", "check_identities", "check_law", "images", "in_memory", "read", "whole"]

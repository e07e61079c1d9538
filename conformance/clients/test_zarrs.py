"""zarrs and object_store of Rust: a named absence in the table."""

import pytest

pytest.skip(
    "the crates take four minutes to compile, and are not driven yet; object_store is what obstore wraps",
    allow_module_level=True,
)

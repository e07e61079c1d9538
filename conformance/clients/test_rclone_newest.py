"""The newest rclone, built from source; Debian's is in `test_rclone`."""

from __future__ import annotations

import pytest

from conformance.clients.test_rclone import RcloneContract
from conformance.sdk.program import CACHE

PROGRAM = CACHE / "bin" / "rclone"
if not PROGRAM.exists():
    pytest.skip("it is not built (conformance/install.sh; it needs Go)", allow_module_level=True)

pytestmark = pytest.mark.sdk


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """What ``go install`` was asked for: the program calls itself the next version."""
    return PROGRAM.resolve().name.partition("-v")[2]


class TestRcloneNewest(RcloneContract):
    CLIENT, VERSION, program = "rclone (newest)", VERSION, str(PROGRAM)

    test_pixels_of_a_crop = None  # as with Debian's, at a process per chunk

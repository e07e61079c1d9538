"""The AWS SDK for Go v2."""

from __future__ import annotations

import pytest

from conformance.sdk.contract import SdkContract
from conformance.sdk.program import CACHE, running

PROGRAM = CACHE / "bin" / "aws-sdk-go"
if not PROGRAM.exists():
    pytest.skip("the program is not built (conformance/install.sh; it needs Go)", allow_module_level=True)

pytestmark = pytest.mark.sdk


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """What the SDK says of itself."""
    with running([str(PROGRAM), "http://127.0.0.1:1"]) as program:
        return program.version()


class TestGo(SdkContract):
    CLIENT, VERSION = "AWS SDK for Go v2", VERSION

    @staticmethod
    def command(url):
        return [str(PROGRAM), url]

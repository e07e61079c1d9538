"""The AWS SDK for JavaScript v3, on Node."""

from __future__ import annotations

import json
import shutil

import pytest

from conformance.clients.test_zarrita import MODULES, NODE
from conformance.sdk.contract import SdkContract

if shutil.which("node") is None or not (MODULES / "@aws-sdk" / "client-s3").exists():
    pytest.skip(
        "Node or its package @aws-sdk/client-s3 is not installed (conformance/install.sh)", allow_module_level=True
    )


class TestJavaScript(SdkContract):
    CLIENT = "AWS SDK for JavaScript v3"
    VERSION = json.loads((MODULES / "@aws-sdk" / "client-s3" / "package.json").read_text())["version"]

    @staticmethod
    def command(url):
        return ["node", str(NODE / "s3.mjs"), "aws", url]

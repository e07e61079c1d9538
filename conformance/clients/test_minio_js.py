"""MinIO's client for JavaScript, on Node."""

from __future__ import annotations

import json
import shutil

import pytest

from conformance.clients.test_zarrita import MODULES, NODE
from conformance.sdk.contract import SdkContract

if shutil.which("node") is None or not (MODULES / "minio").exists():
    pytest.skip("Node or its package minio is not installed (conformance/install.sh)", allow_module_level=True)


class TestMinioJs(SdkContract):
    CLIENT = "minio-js"
    VERSION = json.loads((MODULES / "minio" / "package.json").read_text())["version"]

    @staticmethod
    def command(url):
        return ["node", str(NODE / "s3.mjs"), "minio", url]

    def test_not_modified(self):
        pytest.skip("minio-js sends no conditional GET")

    test_precondition_failed = test_not_modified

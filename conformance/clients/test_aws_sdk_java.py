"""The AWS SDKs for Java, 1 (what Fiji's N5 plugins used for years) and 2."""

from __future__ import annotations

import shutil

import pytest

from conformance.sdk.contract import SdkContract
from conformance.sdk.program import CACHE, running

CLASSES = CACHE / "java" / "classes"
if shutil.which("java") is None or not (CLASSES / "Main.class").exists():
    pytest.skip("the program is not built (conformance/install.sh; it needs a JDK)", allow_module_level=True)

pytestmark = pytest.mark.sdk


def command_for(sdk, url):
    """Start-up matters more than speed here."""
    path = f"{CLASSES}:{CACHE / 'java' / 'lib'}/*"
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-cp", path, "Main", sdk, url]


def version_of(sdk):
    with running(command_for(sdk, "http://127.0.0.1:1")) as program:
        return program.version()


class TestJava2(SdkContract):
    CLIENT, VERSION = "AWS SDK for Java 2", version_of("v2")

    @staticmethod
    def command(url):
        return command_for("v2", url)


class TestJava1(SdkContract):
    """Lists by ListObjects, version 1."""

    CLIENT, VERSION = "AWS SDK for Java 1", version_of("v1")

    @staticmethod
    def command(url):
        return command_for("v1", url)

"""A real S3 server for tests, in a process of its own, and what it is filled with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY, SECRET = "AKIATESTING", "never-tell-this-secret"
ENVIRONMENT = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION")


def client(url: str) -> Any:
    import boto3

    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )


@contextmanager
def s3_server(objects: Mapping[str, bytes], bucket: str = "lab-raw") -> Iterator[str]:
    """The address of a server whose bucket holds ``objects``."""
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    # Pages of 50 names: folders of several pages without a thousand files.
    environment = {k: v for k, v in os.environ.items() if k not in ENVIRONMENT} | {"MOTO_S3_DEFAULT_MAX_KEYS": "50"}
    log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115 - closed below; a pipe would fill up
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        url = _address(log.name)
        _wait(url)
        s3 = client(url)
        s3.create_bucket(Bucket=bucket)
        for key, data in objects.items():
            s3.put_object(Bucket=bucket, Key=key, Body=data)
        s3.close()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)
        log.close()


def _address(log: str) -> str:
    until = time.monotonic() + 30
    while True:
        text = Path(log).read_text("utf-8")
        if found := re.search(r"Running on (http://[0-9.:]+)", text):
            return found[1]
        assert time.monotonic() < until, text
        time.sleep(0.05)


def _wait(url: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url + "/moto-api/", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until
            time.sleep(0.1)

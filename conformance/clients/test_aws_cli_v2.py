"""Version 2 of the AWS command line, which Debian packages; it has its own copy of botocore."""

from __future__ import annotations

import os

import pytest

from conformance.clients.test_aws_cli import AwsCliContract, version_of

PROGRAM = "/usr/bin/aws"
VERSION = version_of(PROGRAM) if os.access(PROGRAM, os.X_OK) else ""
if not VERSION.startswith("2."):
    pytest.skip("version 2 is not installed (conformance/install.sh; Debian's awscli)", allow_module_level=True)


class TestAwsCli2(AwsCliContract):
    CLIENT, program = "aws cli 2", PROGRAM

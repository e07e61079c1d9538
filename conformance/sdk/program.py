"""The client's end of the line: a program in another language as an `Adapter` of the contracts.

The program takes one request a line on standard input, a JSON object with ``op`` and its arguments, and answers each
with one line: the result, or ``{"error": text, "code": S3 code, "status": HTTP status, "missing": bool}``, in which
``missing`` says that the SDK raised the error that it has for absent keys. It signs if ``AWS_ACCESS_KEY_ID`` and
``AWS_SECRET_ACCESS_KEY`` are set, and is anonymous else. See `go/main.go` for the operations.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CACHE = Path(__file__).resolve().parent.parent / ".cache"
"""Where `install.sh` puts what it builds."""


class SdkError(Exception):
    """An error of the SDK."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.status = answer.get("status", 0)
        super().__init__(f"{self.status} {answer.get('code', '')}: {answer['error']}")


class MissingError(SdkError):
    """The SDK's own error for an absent key."""


class Program:
    """The verbs of the contracts, asked of a running program."""

    missing = (MissingError,)
    refused = (SdkError,)

    def __init__(self, command: list[str], key: str = "", secret: str = "") -> None:
        env = dict(os.environ)
        if key:
            env |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
        )

    def close(self) -> None:
        """End the program."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.process.stdout.close()

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            SdkError: The SDK raised an error.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps({"op": op, **arguments}) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        got = self.process.stdout.readline()
        assert got, f"the program ended with {self.process.poll()} at {line}"
        answer: dict[str, Any] = json.loads(got)
        if "error" in answer:
            raise (MissingError if answer.get("missing") else SdkError)(answer)
        return answer

    def version(self) -> str:
        """Version of the SDK."""
        return str(self.ask("version")["version"])

    def buckets(self) -> list[str]:
        """Names of the buckets."""
        return list(self.ask("buckets")["buckets"])

    def keys(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        return [(k, size) for k, size in self.ask("keys", bucket=bucket, prefix=prefix)["keys"]]

    def folder(self, bucket: str, prefix: str) -> tuple[list[str], list[str]]:
        answer = self.ask("folder", bucket=bucket, prefix=prefix)
        return [k for k, _ in answer["keys"]], answer["prefixes"]

    def head(self, bucket: str, key: str) -> tuple[int, str]:
        answer = self.ask("head", bucket=bucket, key=key)
        return answer["size"], answer["etag"]

    def get(self, bucket: str, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        wanted = {}
        if start is not None:
            wanted["range"] = f"bytes={start}" if start < 0 else f"bytes={start}-{'' if stop is None else stop - 1}"
        return base64.b64decode(self.ask("get", bucket=bucket, key=key, **wanted)["data"])

    def _status(self, nothing: str, **arguments: Any) -> str:
        try:
            answer = self.ask("get", **arguments)
        except SdkError as error:
            return str(error.status)
        return nothing if answer.get("nothing") else "200"

    def if_none_match(self, bucket: str, key: str, etag: str) -> str:
        return self._status("304", bucket=bucket, key=key, if_none_match=etag)

    def if_match(self, bucket: str, key: str, etag: str) -> str:
        return self._status("412", bucket=bucket, key=key, if_match=etag)

    def presign(self, bucket: str, key: str) -> str:
        return str(self.ask("presign", bucket=bucket, key=key)["url"])


@contextlib.contextmanager
def running(command: list[str], key: str = "", secret: str = "") -> Iterator[Program]:
    """A program that has ended behind the block."""
    program = Program(command, key, secret)
    try:
        yield program
    finally:
        program.close()

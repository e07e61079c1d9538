"""Both contracts for an SDK program; the class of a client supplies ``command``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from conformance.contract import S3Contract
from conformance.sdk.program import Program, running
from conformance.server import Facade
from conformance.signed import Private, Sign, SignedContract


class SdkContract(S3Contract, SignedContract):
    """Everything that an SDK can do; each client's class has ``command(url)``."""

    @staticmethod
    def command(url: str) -> list[str]:
        """The program and its arguments for the server at ``url``."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls, facade: Facade) -> Iterator[Program]:
        with running(cls.command(facade.url)) as program:
            yield program

    @pytest.fixture(scope="class")
    @classmethod
    def sign(cls, private: Private) -> Iterator[Sign]:
        with contextlib.ExitStack() as stack:
            made: dict[tuple[str, str], Program] = {}

            def make(key: str, secret: str) -> Program:
                if (key, secret) not in made:
                    command = cls.command(private.facade.url)
                    made[key, secret] = stack.enter_context(running(command, key, secret))
                return made[key, secret]

            yield make

    def test_buckets(self, adapter: Program, sign: Sign, private: Private) -> None:
        assert adapter.buckets() == ["files", "images"]
        assert sign(private.key, private.secret).buckets() == ["vault", "vault-images"]  # type: ignore[attr-defined]

"""The form of questions and answers.

A question is eight bytes, the length of what follows (little endian), and that many bytes of JSON: an object with
``do`` and what it needs. An answer is eight bytes and JSON in the same way: ``{"ok": ...}`` or ``{"error": kind,
"public": sentence, "private": more}``. Where ``ok`` is an object with ``nbytes``, that many bytes follow.

When the input ends, so does the program, whatever Java is at: who asked is gone then.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from typing import Any, BinaryIO, Protocol


class Failure(Exception):
    """A question that cannot be answered.

    Args:
        kind: ``BadSource`` or ``Unsupported``.
        public: One sentence.
        private: What Java said.
    """

    def __init__(self, kind: str, public: str, private: str = "") -> None:
        super().__init__(public)
        self.kind = kind
        self.public = public
        self.private = private


class Answerer(Protocol):
    """What knows the answers."""

    def answer(self, question: dict[str, Any]) -> tuple[Any, list[bytes]]:
        """The answer, and the bytes that follow it. Raises `Failure`."""
        ...


def serve(questions: BinaryIO, answers: BinaryIO, answerer: Answerer) -> None:
    """Answer one question after the other; returns never, but ends the process with the input."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(questions, waiting), daemon=True).start()
    while True:
        question = waiting.get()
        data: list[bytes] = []
        try:
            found, data = answerer.answer(question)
            told = {"ok": found}
        except Failure as failure:
            told = {"error": failure.kind, "public": failure.public, "private": failure.private}
        body = json.dumps(told).encode()
        answers.write(len(body).to_bytes(8, "little") + body)
        answers.writelines(data)
        answers.flush()


def _listen(questions: BinaryIO, waiting: queue.SimpleQueue[dict[str, Any]]) -> None:
    while True:
        head = questions.read(8)
        body = questions.read(int.from_bytes(head, "little")) if len(head) == 8 else b""
        if not body:
            os._exit(0)
        waiting.put(json.loads(body))

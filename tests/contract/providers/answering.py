"""A server that answers with what a test gives it, where the stand-in has no such answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from otel_cost.demo.loopback import Handler, Loopback


class Answers:
    """What to answer, and the paths that were asked for."""

    def __init__(self, answer: Any) -> None:
        self.payload = b""
        self.headers = {"content-type": "application/json"}
        self.paths: list[str] = []
        self.url = ""
        self.say(answer)

    def say(self, answer: Any) -> None:
        """Answer with this from now on: bytes as they are, anything else as JSON."""
        self.payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()


class _Handler(Handler):
    def do_POST(self) -> None:
        self.body()
        owner = self.home.owner
        assert isinstance(owner, Answers)
        owner.paths.append(self.path)
        self.send_response(200)
        for name, value in owner.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(owner.payload)))
        self.end_headers()
        self.wfile.write(owner.payload)

    do_GET = do_POST


@contextmanager
def answering(answer: Any) -> Iterator[Answers]:
    """A server on loopback that gives ``answer`` (JSON, or bytes) to every GET and POST."""
    answers = Answers(answer)
    with Loopback(answers, _Handler) as server:
        answers.url = server.url
        yield answers

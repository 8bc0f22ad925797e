"""Calls that cost and whose answers are not read yet: images, speech, whatever a provider adds next.

They are made with a budget's leave and have a span like any other call; it ends ``unpriced: no_usage``, so that nothing
is spent in silence.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._read import Attributes, text
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stainless import Post

_TEXT: Final = "v1/complete"


def unread(post: Post, provider: str, arguments: Arguments, free: Collection[str]) -> Request | None:
    """The call, when its body names a model. ``free``: paths, and beginnings of paths up to a slash, that cost nothing
    or set up something that is billed elsewhere."""
    model = text(post.body, "model")
    steps = post.path.split("/")
    if not model or any("/".join(steps[:length]) in free for length in range(1, len(steps) + 1)):
        return None
    return Request(
        operation=semconv.OP_TEXT_COMPLETION if post.path == _TEXT else semconv.OP_GENERATE_CONTENT,
        provider=provider,
        model=model,
        address=post.address,
        port=post.port,
        answer=nothing,
        reader=UnreadStream,
        arguments=arguments,
        parameters={semconv.REQUEST_STREAM: True} if post.stream else {},
        sent=(post.body,),
    )


def nothing(answer: object) -> Attributes:
    return {}


class UnreadStream:
    """A stream of which nothing is known."""

    final = True

    def __init__(self, heard: Text) -> None: ...

    def read(self, chunk: object) -> bool:
        return True

    def attributes(self) -> Attributes:
        return {}

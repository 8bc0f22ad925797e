"""Apps for tests, installed by hand: calls that are spans only, no provider and no SDK of one.

``python -m tests.integration.app_book.caller calls N`` makes N calls and ends. ``... forever`` makes calls until it is
killed and prints, after every 20, how many it made and how many of those are in the book and on the disk for sure.
``... forks`` makes calls in forked children as well: of every kind.
"""

from __future__ import annotations

import multiprocessing
import os
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

import otel_cost
from otel_cost import runtime
from tests.support.world import OFFICIAL, PRICES, chat

NANO_A_CALL = 3_500_000
"""1000 input and 100 output tokens of gpt-4o."""
provider = TracerProvider()


def install() -> runtime.Runtime:
    """With the settings of the environment."""
    PRICES.catalog(60)
    otel_cost.install(provider, pricer=PRICES)
    installed = runtime.current()
    assert installed is not None
    return installed


def call(times: int = 1) -> None:
    attributes = {**chat(), "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
    for _ in range(times):
        with provider.get_tracer(OFFICIAL).start_as_current_span("chat", kind=SpanKind.CLIENT, attributes=attributes):
            pass


def forever(installed: runtime.Runtime) -> None:
    book, made = installed.book, 0
    assert book is not None
    while True:
        call(20)
        made += 20
        sure = made if installed.force_flush(60) else book.counts().spooled
        call(7)
        made += 7
        print(made, sure, flush=True)


def forks() -> None:
    call(3)  # still in the queue of the parent
    for flushes in (False, True):
        child = os.fork()
        if child == 0:
            call(2)
            installed = runtime.current()
            assert installed is not None
            if flushes:  # nothing is told of such an end
                assert installed.force_flush(60)
                os._exit(0)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
    context = multiprocessing.get_context("fork")
    for _ in range(2):
        process = context.Process(target=call, args=(4,))
        process.start()
        process.join()
    call(3)


FORKS_CALL = 3 + 2 + 2 + 4 + 4 + 3


def main(how: str, *rest: str) -> None:
    installed = install()
    if how == "calls":
        call(int(rest[0]))
    elif how == "forever":
        forever(installed)
    else:
        forks()


if __name__ == "__main__":
    main(*sys.argv[1:])

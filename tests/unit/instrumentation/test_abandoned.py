"""Streams that nobody ends: dropped inside a garbage collection, across a fork, or still open at exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from otel_cost_instrumentation._abandoned import Reaper
from tests.support.waiting import until


class Call:
    def __init__(self, lock: threading.Lock | None = None) -> None:
        self.settled_by: list[str] = []
        self.lock = lock

    def abandoned(self) -> None:
        if self.lock is not None:
            with self.lock:
                pass
        self.settled_by.append(threading.current_thread().name)


def test_settling_never_waits_for_a_lock_of_the_thread_that_lost_the_call() -> None:
    """A finaliser can run in the middle of anything, for instance while a metric's lock is held."""
    reaper, lock = Reaper(), threading.Lock()
    call = Call(lock)
    reaper.watch(call)
    with lock:
        reaper.abandon(call)
        assert call.settled_by == []

    until(lambda: call.settled_by, "the call to be settled", poll_s=0.01)
    reaper.stop()
    assert call.settled_by[0] != threading.current_thread().name


def test_a_finished_call_is_not_settled_again() -> None:
    reaper, call, other = Reaper(), Call(), Call()
    reaper.watch(call)
    reaper.watch(other)
    reaper.forget(call)

    reaper.abandon(call)
    reaper.abandon(other)
    until(lambda: other.settled_by, "the other call to be settled", poll_s=0.01)
    reaper.stop()

    assert call.settled_by == []


def test_stopping_settles_what_is_open() -> None:
    reaper, call = Reaper(), Call()
    reaper.watch(call)

    reaper.stop()

    assert call.settled_by == [threading.current_thread().name]


def test_the_thread_comes_back_after_a_stop() -> None:
    reaper, call = Reaper(), Call()
    reaper.watch(call)
    reaper.forget(call)
    reaper.stop()

    reaper.watch(call)
    reaper.abandon(call)

    until(lambda: call.settled_by, "the call to be settled", poll_s=0.01)
    reaper.stop()


FORKING = """
import os, sys
from otel_cost_instrumentation._abandoned import Reaper
class Call:
    def abandoned(self):
        print("settled in", "child" if os.getpid() != parent else "parent", flush=True)
parent = os.getpid()
reaper, inherited = Reaper(), Call()
reaper.watch(inherited)
pid = os.fork()
if pid == 0:
    reaper.abandon(inherited)   # the parent's: not ours to settle
    own = Call()
    reaper.watch(own)
    sys.exit(0)
os.waitpid(pid, 0)
"""


def test_each_process_settles_its_own_calls_at_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ)
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["settled in child", "settled in parent", ""]


AT_EXIT = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, ConsoleSpanExporter
import otel_cost, otel_cost_instrumentation, openai
from otel_cost.demo.provider import StandInProvider
provider = TracerProvider()
otel_cost.install(provider)
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
otel_cost_instrumentation.activate()
with StandInProvider() as server:
    client = openai.OpenAI(base_url=server.base_url + "/v1", api_key="none")
    stream = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True)
    next(stream)
"""


def test_a_stream_that_is_open_when_the_process_ends_is_settled() -> None:
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    assert '"otel_cost.usage_estimated": true' in done.stdout

"""Runs a framework's ways of working, in its environment: what otel-cost made of each, and the provider's bill."""

from __future__ import annotations

import asyncio
import atexit
import ipaddress
import json
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

import otel_cost
import otel_cost_instrumentation
from otel_cost import runtime, semconv
from otel_cost.config import Config
from tests.emitters.frameworks.provider import provider
from tests.support.world import World, make_world

Way = Callable[[str], Any]
"""From the stand-in's address, without a path, to anything: a use of a framework."""
_elsewhere: list[str] = []
_found: dict[str, Any] = {"elsewhere": _elsewhere}
_loop = asyncio.new_event_loop()


def finish(call: Coroutine[Any, Any, object]) -> object:
    """Run ``call`` on the one loop of the process: the connections that are kept belong to it."""
    return _loop.run_until_complete(call)


def watch_connections() -> None:
    """From now on nothing but this machine is reached, and whatever tries is told. To be called before a framework is
    imported: what it sends when the process ends is then still heard."""
    sys.addaudithook(_heard)
    atexit.register(_report)


def _heard(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto"):
        host = args[1][0] if isinstance(args[1], tuple) else ""  # a path is on this machine
    else:
        return
    if host and not _is_here(host.decode() if isinstance(host, bytes) else str(host)):
        _elsewhere.append(f"{event} {host}")
        raise ConnectionRefusedError(f"no connection to {host} from a test")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def run(ways: Mapping[str, Way], packages: tuple[str, ...]) -> int:
    """Run each of ``ways``; what became of it is JSON, on the last line that the process prints."""
    _found["ways"] = {name: _tried(name, way) for name, way in ways.items()}
    _found["versions"] = {name: version(name) for name in (*packages, "openai", "anthropic")}
    return 0


def _report() -> None:
    print("\n" + json.dumps(_found), flush=True)


def _tried(name: str, way: Way) -> dict[str, Any]:
    world = make_world(Config(stream_usage_hosts=("127.0.0.1",)))
    with provider() as (server, bills):
        try:
            with otel_cost.labels(team=name):
                way(server.base_url)
        except BaseException:
            print(name, file=sys.stderr)
            traceback.print_exc()
            raise
        otel_cost_instrumentation.deactivate()  # settles what was left
        otel_cost_instrumentation.activate()
        spans = [_told(span) for span in _finished(world)]
        spend = world.spend()
    runtime.uninstall()
    return {"spans": spans, "bills": [bill._asdict() for bill in bills], "spend_usd": spend}


def _finished(world: World) -> list[ReadableSpan]:
    return [span for span in world.finished() if semconv.STATUS in (span.attributes or {})]


def _told(span: ReadableSpan) -> dict[str, Any]:
    attributes = span.attributes or {}
    names = {"status": semconv.STATUS, "cost": semconv.COST_AMOUNT, "detail": semconv.DETAIL, "team": "otel_cost.team"}
    scope = span.instrumentation_scope
    return {
        "scope": scope.name if scope else "",
        "name": span.name,
        **{key: attributes.get(name) for key, name in names.items()},
    }

"""Ways of calling LiteLLM with our instrumentors on, against the stand-in. Runs in LiteLLM's environment: it pins the
``openai`` SDK to another release than the tests have. Prints what became of each way, as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import otel_cost_instrumentation
from otel_cost import BudgetExceeded, runtime, semconv
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.answering import answering
from tests.support.ports import free_ports
from tests.support.world import World, make_world

otel_cost_instrumentation.activate()

import litellm  # noqa: E402

USAGE = 'usage:{"input":1000,"output":200,"cached":400}'
MODELS = {"openai": "openai/gpt-4o", "anthropic": "anthropic/claude-opus-4-5"}
_TOLD = {
    "provider": semconv.PROVIDER_NAME,
    "address": semconv.SERVER_ADDRESS,
    "model": semconv.REQUEST_MODEL,
    "answered": semconv.RESPONSE_MODEL,
    "status": semconv.STATUS,
    "reason": semconv.REASON,
    "input": semconv.USAGE_INPUT_TOKENS,
    "output": semconv.USAGE_OUTPUT_TOKENS,
    "cached": semconv.USAGE_CACHE_READ,
    "cost": semconv.COST_AMOUNT,
}


def asked(url: str, kind: str, text: str = USAGE, **more: Any) -> dict[str, Any]:
    base = url + ("/v1" if kind == "openai" else "")
    messages = [{"role": "user", "content": text}]
    return {"model": MODELS[kind], "messages": messages, "api_base": base, "api_key": "none", "max_retries": 0, **more}


def router(*deployments: dict[str, Any], **more: Any) -> litellm.Router:
    listed = [
        {"model_name": f"m{number}", "litellm_params": {name: how[name] for name in how if name != "messages"}}
        for number, how in enumerate(deployments)
    ]
    return litellm.Router(model_list=listed, **{"num_retries": 0, "retry_after": 0, **more})


async def _read(pending: Any) -> int:
    return len([chunk async for chunk in await pending])


def stream(url: str, kind: str, **more: Any) -> int:
    return len(list(litellm.completion(**asked(url, kind, stream=True, **more))))


def left_early(url: str, kind: str) -> None:
    chunks = litellm.completion(**asked(url, kind, stream=True))
    next(chunks)
    next(chunks)


def retried(url: str, kind: str) -> None:
    how = asked(url, kind)
    router(how, num_retries=2).completion(model="m0", messages=how["messages"])


def retried_later(url: str, kind: str) -> None:
    how = asked(url, kind)
    asyncio.run(router(how, num_retries=2).acompletion(model="m0", messages=how["messages"]))


def fell_back(url: str, kind: str) -> None:
    (free,) = free_ports(1)
    first, second = asked(f"http://127.0.0.1:{free}", "openai"), asked(url, kind)
    router(first, second, fallbacks=[{"m0": ["m1"]}]).completion(model="m0", messages=second["messages"])


def own_fallback(url: str, kind: str) -> None:
    (free,) = free_ports(1)
    other = {name: value for name, value in asked(url, kind).items() if name != "messages"}
    litellm.completion(**asked(f"http://127.0.0.1:{free}", "openai", fallbacks=[other]))


def failed(url: str, kind: str) -> str:
    try:
        litellm.completion(**asked(url, kind, "error:500"))
    except litellm.InternalServerError as error:
        return type(error).__name__
    return ""


def embedded(url: str, kind: str) -> None:
    how = asked(url, kind)
    del how["messages"]
    litellm.embedding(**{**how, "model": "openai/text-embedding-3-small"}, input=[USAGE])


def _responding(url: str, kind: str, **more: Any) -> dict[str, Any]:
    how = asked(url, kind, **more)
    return {**how, "input": how.pop("messages")}


def responded(url: str, kind: str) -> None:
    litellm.responses(**_responding(url, kind))


def responded_later(url: str, kind: str) -> None:
    asyncio.run(litellm.aresponses(**_responding(url, kind)))


def responded_in_a_stream(url: str, kind: str) -> int:
    return len(list(litellm.responses(**_responding(url, kind, stream=True))))


def responded_in_a_stream_later(url: str, kind: str) -> int:
    return asyncio.run(_read(litellm.aresponses(**_responding(url, kind, stream=True))))


def drawn(url: str, kind: str, *, later: bool = False, **usage: Any) -> None:
    with answering({"created": 1, "data": [{"b64_json": "eA=="}], **usage}) as server:
        how = {"model": "openai/gpt-image-1", "prompt": "x", "api_base": server.url + "/v1", "api_key": "none"}
        if later:
            asyncio.run(litellm.aimage_generation(**how))
        else:
            litellm.image_generation(**how)


def within_a_budget(url: str, kind: str) -> str:
    """The first call leaves less than a second may cost."""
    litellm.completion(**asked(url, kind, max_tokens=200))
    try:
        litellm.completion(**asked(url, kind, max_tokens=200))
    except BudgetExceeded as error:
        return type(error).__name__
    return ""


IMAGE_USAGE = {
    "input_tokens": 1000,
    "output_tokens": 200,
    "total_tokens": 1200,
    "input_tokens_details": {"text_tokens": 1000, "image_tokens": 0},
}
ASKS = {"stream_options": {"include_usage": True}}
_ROOM = BudgetSettings(name="one", amount_usd=Decimal("0.006"), period="total", action="block")
OPENAIS = ("embedded", "drawn", "drawn_later", "drawn_untold")
CONFIGS = {
    "within_a_budget": Config(budgets=(_ROOM,)),
    "stream": Config(stream_usage_hosts=("127.0.0.1",)),
}
WAYS: dict[str, Callable[[str, str], Any]] = {
    "chat": lambda url, kind: litellm.completion(**asked(url, kind)),
    "chat_async": lambda url, kind: asyncio.run(litellm.acompletion(**asked(url, kind))),
    "own_fallback": own_fallback,
    "stream": stream,
    "stream_at_an_unknown_host": stream,
    "stream_asked": lambda url, kind: stream(url, kind, **ASKS),
    "stream_async": lambda url, kind: asyncio.run(_read(litellm.acompletion(**asked(url, kind, stream=True, **ASKS)))),
    "left_early": left_early,
    "retried": retried,
    "retried_later": retried_later,
    "fell_back": fell_back,
    "failed": failed,
    "embedded": embedded,
    "responded": responded,
    "responded_later": responded_later,
    "responded_in_a_stream": responded_in_a_stream,
    "responded_in_a_stream_later": responded_in_a_stream_later,
    "drawn": partial(drawn, usage=IMAGE_USAGE),
    "drawn_later": partial(drawn, later=True, usage=IMAGE_USAGE),
    "drawn_untold": drawn,
    "within_a_budget": within_a_budget,
    "mocked": lambda url, kind: litellm.completion(**asked(url, kind, mock_response="hello")),
}


def seen(world: World) -> list[dict[str, Any]]:
    otel_cost_instrumentation.deactivate()  # settles what was left
    otel_cost_instrumentation.activate()
    found = []
    for span in world.finished():
        told = {name: (span.attributes or {}).get(key) for name, key in _TOLD.items()}
        scope = span.instrumentation_scope
        found.append({"scope": scope.name.rpartition(".")[2] if scope else "", **told})
    return found


def tried(way: str, kind: str) -> dict[str, Any]:
    world = make_world(CONFIGS.get(way))
    fails = iter(["error:500"] if WAYS[way] in (retried, retried_later) else [])
    with StandInProvider(script=lambda path, body: next(fails, "")) as server:
        returned = WAYS[way](server.base_url, kind)
        spans = seen(world)
        answered = sum(status == 200 for status in server.statuses)
    runtime.uninstall()
    plain = returned if isinstance(returned, str | int) else type(returned).__name__
    return {"spans": spans, "answered": answered, "returned": plain}


def main() -> int:
    pairs = [(way, kind) for way in WAYS for kind in MODELS if kind == "openai" or way not in OPENAIS]
    print(json.dumps({f"{way}-{kind}": tried(way, kind) for way, kind in pairs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

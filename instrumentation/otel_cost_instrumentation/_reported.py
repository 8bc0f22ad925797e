"""What an answer says that it cost, in the fields and headers that OpenAI's format does not have.

* ``usage.cost``, a number: OpenRouter, in USD (its credits), and gateways that took that over. With a key of the user's
  own (``is_byok``) it is OpenRouter's fee alone, and ``cost_details.upstream_inference_cost`` is what the provider
  behind it bills; https://openrouter.ai/docs (usage accounting). Their example of such a call has no ``is_byok``, so
  an upstream cost above OpenRouter's own is taken for one, too.
* ``usage.cost.total_cost``: Perplexity, in USD.
* ``usage.cost_in_usd_ticks``: xAI, 1e10 to the USD; https://docs.x.ai (cost tracking).

* the header ``x-litellm-response-cost``: LiteLLM's proxy, in USD, by its own price list; of a stream it knows nothing
  yet, and says 0 or ``None``.

Whether it is believed is decided elsewhere (``otel_cost.weighing``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation._read import Attributes, field

_TICKS_A_USD: Final = 10**10
_LARGEST: Final = 10**18
"""Beyond any amount, and still a double."""


def reported_cost(usage: object) -> Attributes:
    """The cost in an answer's usage (SDK object or decoded JSON) as attributes; none where it says none."""
    # Fields unknown to the SDK are kept apart, so that one look is enough for nearly all answers.
    extra = usage if isinstance(usage, dict) else getattr(usage, "model_extra", None)
    if not extra:
        return {}
    cost = field(extra, "cost")
    if isinstance(cost, dict):
        in_usd = field(cost, "currency") in (None, "USD")
        return _attributes(_number(field(cost, "total_cost")) if in_usd else None)
    if cost is not None:
        return _attributes(_number(cost), _upstream(extra, _number(cost)))
    ticks = _number(field(extra, "cost_in_usd_ticks"))
    return _attributes(None if ticks is None else ticks / _TICKS_A_USD)


_PROXYS_HEADER: Final = "x-litellm-response-cost"


def cost_in_headers(headers: object) -> Attributes:
    """The same from an HTTP response's headers."""
    said = headers.get(_PROXYS_HEADER) if isinstance(headers, Mapping) else None
    if not isinstance(said, str):
        return {}
    try:
        return _attributes(_number(float(said)))
    except ValueError:
        return {}


def _upstream(usage: object, cost: float | None) -> float | None:
    """What is billed beside ``cost``: nothing, unless the key was the user's own."""
    upstream, own_key = _number(field(usage, "cost_details", "upstream_inference_cost")), field(usage, "is_byok")
    if upstream is None or cost is None or own_key is False:
        return None
    return upstream if own_key is True or upstream > cost else None


def _attributes(cost: float | None, upstream: float | None = None) -> Attributes:
    found: Attributes = {}
    if cost is not None:
        found[semconv.REPORTED_COST] = cost
    if upstream is not None:
        found[semconv.REPORTED_UPSTREAM_COST] = upstream
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        return None
    return float(value)

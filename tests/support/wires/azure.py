"""Azure OpenAI, whose paths name the deployment: OpenAI's formats, one below each."""

from __future__ import annotations

from typing import Final

from otel_cost.demo.provider import known_wire
from otel_cost.demo.wire import Wire

_PREFIX: Final = "/openai/deployments/"


def wires(path: str) -> Wire | None:
    if not path.startswith(_PREFIX):
        return None
    _, _, rest = path.removeprefix(_PREFIX).partition("/")
    return known_wire(f"/v1/{rest}")

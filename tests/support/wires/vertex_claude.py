"""Claude on Vertex AI, as the ``anthropic`` SDK asks for it: Anthropic's messages, whose model the path names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otel_cost.demo.directives import Json, Told
from otel_cost.demo.wire import Frame, Wire
from otel_cost.demo.wire_anthropic import Messages


def wires(path: str) -> Wire | None:
    resource, _, verb = path.rpartition(":")
    model = resource.rpartition("/publishers/anthropic/models/")[2]
    return Predict(model) if verb in ("rawPredict", "streamRawPredict") else None


class Predict(Messages):
    """``POST …/models/X:rawPredict`` and ``:streamRawPredict``."""

    def __init__(self, model: str) -> None:
        self._model = model

    def answer(self, body: Mapping[str, object], told: Told) -> Json:
        return super().answer({**body, "model": self._model}, told)

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        return super().events({**body, "model": self._model}, told)

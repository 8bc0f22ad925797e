"""Who spent it: labels from the code, from inbound baggage, from span attributes and from settings.

Labels set with :class:`labels` live in a private value of the OpenTelemetry context, not in baggage: baggage travels
with every outgoing request, and a user's id has no business at a provider's host. ``propagate=True`` opts in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from opentelemetry import baggage, context
from opentelemetry.context import Context

from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.context_blocks import ContextBlock
from otel_cost.model import EMPTY

_KEY: Final = context.create_key("otel-cost-labels")
MAX_LENGTH: Final = 256
"""Longer label values are cut: a label is a name, not a document."""


class labels(ContextBlock):
    """Put labels on every cost inside: ``with otel_cost.labels(team="search", session=sid): ...``.

    Also a decorator, for functions and coroutine functions. Inner labels win over outer ones; a value of None removes
    one. They follow the OpenTelemetry context: into awaited code and tasks, and into threads where the context is
    carried over. ``propagate=True`` also puts them into baggage as ``otel_cost.<label>``, which travels to every
    service and host that the app calls.
    """

    def __init__(self, *, propagate: bool = False, **values: str | int | None) -> None:
        self._values: dict[str, str | int | None] = dict(values)
        self._propagate = propagate

    @classmethod
    def of(cls, values: Mapping[str, str | int | None]) -> labels:
        """Of a mapping, whatever its names are."""
        made = cls()
        made._values.update(values)
        return made

    def __enter__(self) -> Mapping[str, str]:
        super().__enter__()
        return current()

    def changed(self) -> Context:
        merged = dict(current())
        for name, value in self._values.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = str(value)[:MAX_LENGTH]
        changed = context.set_value(_KEY, MappingProxyType(merged))
        return self._propagated(merged, changed) if self._propagate else changed

    def _propagated(self, merged: Mapping[str, str], changed: Context) -> Context:
        for name in self._values:
            key = semconv.LABEL_PREFIX + name
            if name in merged:
                changed = baggage.set_baggage(key, merged[name], changed)
            else:
                changed = baggage.remove_baggage(key, changed)
        return changed

    def fresh(self) -> labels:
        return labels(propagate=self._propagate, **self._values)


def current(in_context: Context | None = None) -> Mapping[str, str]:
    """The labels set by the code in ``in_context`` (None: the current one)."""
    found = context.get_value(_KEY, in_context)
    return cast("Mapping[str, str]", found) if found is not None else EMPTY


def from_baggage(allowed: tuple[str, ...], in_context: Context | None = None) -> Mapping[str, str]:
    """Labels from baggage, only those that ``allowed`` names.

    A label is looked for under its attribute's name (``otel_cost.team``, ``user.id``) and under its own (``team``).
    """
    if not allowed:
        return EMPTY
    entries = baggage.get_all(in_context)
    found: dict[str, str] = {}
    for label in allowed:
        value = entries.get(semconv.label_attribute(label), entries.get(label))
        if isinstance(value, str) and value:
            found[label] = value[:MAX_LENGTH]
    return found


class Resolver:
    """Puts together who a cost belongs to, from everything that was said about it. Thread-safe."""

    def __init__(self, config: Config) -> None:
        names = {*config.labels.metrics, *semconv.LABEL_ATTRIBUTES, *semconv.OWN_LABELS}
        for budget in config.budgets:
            names |= {*budget.per, *budget.match}
        self._label_of = {semconv.label_attribute(name): name for name in names - _NOT_LABELS}
        self._static = config.labels.static
        self._last: tuple[Mapping[str, object], Mapping[str, str]] = ({}, self._static)

    def resolve(
        self, resource: Mapping[str, object], attributes: Mapping[str, object], said: Mapping[str, str]
    ) -> Mapping[str, str]:
        """What the code ``said`` wins over what stands on the span, that over its resource, that over settings."""
        return {**self._of_process(resource), **self._on(attributes), **said}

    def _of_process(self, resource: Mapping[str, object]) -> Mapping[str, str]:
        # Nearly always the same resource as last time: a process has one, a batch of OTLP a few.
        last_resource, last_labels = self._last
        if last_resource is resource:
            return last_labels
        found = {**self._static, **self._on(resource)}
        old = resource.get(semconv.ENVIRONMENT_OLD)
        if "environment" not in found and isinstance(old, str) and old:
            found["environment"] = old
        self._last = (resource, found)
        return found

    def only_labels(self, attributes: Mapping[str, object]) -> dict[str, object]:
        """Those attributes that carry labels, and a request's route."""
        return {
            name: value for name, value in attributes.items() if name in self._label_of or name == semconv.HTTP_ROUTE
        }

    def _on(self, attributes: Mapping[str, object]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in attributes.items():
            label = self._label_of.get(name)
            if label is not None and value != "" and isinstance(value, str | int):
                found[label] = str(value)[:MAX_LENGTH]
        return found


_NOT_LABELS: Final = frozenset({"provider", "model", "operation", "kind", "trace"})
"""What budgets and metrics can split by without it being a label."""

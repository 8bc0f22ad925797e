"""Whether two spans can be the same call, by what is known of the two. Pure."""

from __future__ import annotations

from otel_cost.model import Layer
from otel_cost.model_names import models_agree
from otel_cost.sightings import NO_TOTALS, SLACK_NS, Sighting, is_ours


def closeness(a: Sighting, b: Sighting) -> tuple[bool, int]:
    """Smaller is closer: spans of one trace first, then those whose ends lie nearest."""
    return (a.trace_id != b.trace_id, abs(a.start_ns - b.start_ns) + abs(a.end_ns - b.end_ns))


def is_same_response(a: Sighting, b: Sighting) -> bool:
    """Whether two spans that have one response id are one call."""
    if not (a.of_model and b.of_model):
        return a.trace_id == b.trace_id and _is_same_item(a, b)
    if a.process == b.process and is_ours(a.scope) and is_ours(b.scope):
        return False  # a server that gives all its answers one id
    return a.totals == b.totals and models_agree(a.models, b.models)


def _is_same_item(a: Sighting, b: Sighting) -> bool:
    """Of two spans of a tool with one id in one trace. Some models number the tools that they ask for anew in each
    conversation (``functions.web:0``), some in each answer."""
    if a.of_model is not b.of_model or (a.scope, a.process) == (b.scope, b.process):
        return False
    return _are_side_by_side(a, b) and models_agree(a.models, b.models)


def may_be_same(a: Sighting, b: Sighting) -> bool:
    """Whether two spans may be one call, by all but their counts."""
    if a.scope == b.scope or a.process != b.process or a.tenant != b.tenant or a.of_model is not b.of_model:
        return False
    if is_ours(a.scope) and is_ours(b.scope):
        return False  # ours see every request once: side by side they are two calls, nested ones were wrappers above
    if a.response_id and b.response_id and a.response_id != b.response_id:
        return False
    return _are_side_by_side(a, b) and models_agree(a.models, b.models)


def is_doubtful(a: Sighting, b: Sighting) -> bool:
    """Whether the totals of two spans that have some may differ although they are the same call."""
    return (a.doubted or b.doubted) and NO_TOTALS not in (a.totals, b.totals)


def _are_side_by_side(a: Sighting, b: Sighting) -> bool:
    return _contains(a, b) or _contains(b, a) or _coincide(a, b)


def _coincide(a: Sighting, b: Sighting) -> bool:
    """Whether both were open for three quarters of each. Around a stream either span may be the last to end (Langfuse's
    ends at the last event, ours with the stream), and on a busy machine more than the slack lies between."""
    together = min(a.end_ns, b.end_ns) - max(a.start_ns, b.start_ns)
    return 4 * together >= 3 * max(a.end_ns - a.start_ns, b.end_ns - b.start_ns) > 0


def is_aftermath(inner: Sighting, outer: Sighting) -> bool:
    """Whether a call below another span of its process began when that had ended, so that it is no part of it: what a
    callback started. Agents may end before the calls that they started begin."""
    if inner.process != outer.process or outer.layer is Layer.AGENT:
        return False
    return inner.start_ns > outer.end_ns + SLACK_NS


def _contains(outer: Sighting, inner: Sighting) -> bool:
    return outer.start_ns - SLACK_NS <= inner.start_ns and inner.end_ns <= outer.end_ns + SLACK_NS

"""What a dialect is: a table of attribute names, and of how counts include each other. ``reading`` reads by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from otel_cost import semconv
from otel_cost.model import Layer, Usage

Names = tuple[str, ...]
NOBODY: Final[frozenset[str]] = frozenset()
EVERYBODY: Final[frozenset[str]] = frozenset({"*"})
NOTHING: Final[frozenset[str]] = frozenset()
GOOGLE: Final[frozenset[str]] = frozenset(
    {
        "gcp.gemini",
        "gcp.gen_ai",
        "gcp.vertex_ai",
        "gemini",
        "google",
        "google_genai",
        "google.generative-ai",
        "vertex_ai",
        "vertexai",
    }
)
"""What emitters call the provider of Gemini, in lower case."""
BEDROCK: Final[frozenset[str]] = frozenset({"aws", "aws.bedrock", "amazon-bedrock", "bedrock", "aws_bedrock"})
"""What emitters call Amazon Bedrock, in lower case."""


class Outside(NamedTuple):
    """Parts that an emitter leaves out of their whole, so that they have to be added to get the inclusive total.

    Attributes:
        whole: The unit that is incomplete.
        parts: The units that are added to it.
        providers: For which providers, in lower case.
    """

    whole: str
    parts: tuple[str, ...]
    providers: frozenset[str] = EVERYBODY


CACHE_OUTSIDE: Final = Outside("input_tokens", ("cache_read_tokens", "cache_write_tokens"))
REASONING_OUTSIDE: Final = Outside("output_tokens", ("output_reasoning_tokens",))


class Guess(NamedTuple):
    """Spans whose counts are known to be estimated or wrong although they do not say so. All that is given must fit.

    Attributes:
        why: For people: who does it, and what is wrong.
        providers: In lower case.
        streaming: Whether the call was streamed; None: either.
        having: One of these attributes is there.
        lacking: None of these is there.
        sure: Prefixes of requested models for which the counts are right all the same.
        only: Prefixes of requested models for which they are wrong; none: all. Bedrock's regions are left out.
        saying: An attribute, and the values of it.
    """

    why: str
    providers: frozenset[str] = EVERYBODY
    streaming: bool | None = None
    having: frozenset[str] = NOTHING
    lacking: frozenset[str] = NOTHING
    sure: Names = ()
    only: Names = ()
    saying: tuple[str, Names] | None = None


THINKS_NOT: Final = ("gemini-1", "gemini-2.0", "text-", "chat-", "code-", "embedding-", "gemini-embedding")
"""Prefixes of Google's models that never think, so that a count without thinking tokens is complete."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of emitters writes a GenAI call. The first present name of a tuple counts.

    Attributes:
        name: For error texts and second opinions.
        units: Unit of ``otel_cost.units`` to the attribute names that carry its count.
        outside: Parts that this family leaves out of their wholes.
        added: Attribute to the unit that it is added to: parts that the family tells apart from the total.
        total: Names of the sum of input and output.
        output_is_rest: Providers for which the output count is incomplete and the total is not.
        unbilled: True when the answer came from the emitter's own cache: nobody was asked, nothing is billed.
        operations: The family's operation names to the conventional ones.
        providers: The family's provider names to those that prices know.
        guesses: Where its counts are not to be trusted.
    """

    name: str
    units: Mapping[str, Names]
    operation: Names = ()
    provider: Names = ()
    request_model: Names = ()
    response_model: Names = ()
    response_id: Names = ()
    finish_reasons: Names = ()
    service_tier: Names = ()
    server_address: Names = ()
    streaming: Names = ()
    estimated: Names = ()
    unbilled: Names = ()
    total: Names = ()
    outside: tuple[Outside, ...] = ()
    added: Mapping[str, str] = field(default_factory=dict[str, str])
    output_is_rest: frozenset[str] = NOBODY
    operations: Mapping[str, str] = field(default_factory=dict[str, str])
    providers: Mapping[str, str] = field(default_factory=dict[str, str])
    guesses: tuple[Guess, ...] = ()
    targets: Mapping[str, tuple[str, int, bool]] = field(init=False)
    """Attribute name to what lists it (a field of this class, or a unit), its place there, and whether it is a unit."""
    corrected: bool = field(init=False)
    """Whether counts need anything done to them before they are inclusive."""

    def __post_init__(self) -> None:
        listed: dict[str, Names] = {**{name: getattr(self, name) for name in FIELDS}, **self.units}
        targets: dict[str, tuple[str, int, bool]] = {}
        for target, names in listed.items():
            for place, name in enumerate(names):
                targets.setdefault(name, (target, place, target in self.units))
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "corrected", bool(self.outside or self.added or self.output_is_rest))


FIELDS: Final = (
    "operation",
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "finish_reasons",
    "service_tier",
    "server_address",
    "streaming",
    "estimated",
    "unbilled",
    "total",
)
"""The fields of a dialect that list attribute names. None is the name of a unit."""


class Emitter(NamedTuple):
    """Who writes the spans of a scope, and what one of them stands for.

    Attributes:
        agents: The layer of spans that invoke an agent or a workflow.
        hides: Spans that start inside its own, where it suppresses instrumentation, are exported nowhere.
        helper: Its spans stand for no call, whatever they carry.
        follows: Its spans only open a stream; what it used stands on a later span of the same emitter.
        unfolds: Attributes whose value is JSON. What is in there is read as if each key were an attribute, named
            ``<attribute>.<key>``.
        variants: Tried in order; the first that fits takes the span.
    """

    dialect: Dialect
    layer: Layer
    agents: Layer = Layer.AGENT
    hides: bool = False
    helper: bool = False
    follows: bool = False
    unfolds: Names = ()
    variants: tuple[Variant, ...] = ()


class Variant(NamedTuple):
    """Spans of a scope that are written differently from the others. All that is given must fit.

    Attributes:
        since: First version of the scope, as numbers; a span without a version never fits.
        before: First version that is different again.
        kinds: Names of span kinds.
        having: One of these attributes is there.
        lacking: None of these is there.
    """

    emitter: Emitter
    since: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    kinds: frozenset[str] = NOTHING
    having: frozenset[str] = NOTHING
    lacking: frozenset[str] = NOTHING


class Reading(NamedTuple):
    """What a dialect made of one span.

    Attributes:
        usage: None when nothing was reported, and when ``problem`` says why the counts cannot be true.
        estimated: Why the counts are not the provider's own, empty when they are.
        follows: The span only opened a stream; a later one tells what it used.
    """

    dialect: str
    layer: Layer
    operation: str
    provider: str
    model_requested: str
    model_answered: str
    usage: Usage | None
    problem: str
    response_id: str
    service_tier: str
    server_address: str
    streaming: bool
    finish_reason: str
    estimated: str
    follows: bool


def ours(unit: str) -> str:
    """The attribute under which our own instrumentors write the count of ``unit``, where the conventional one is not
    theirs alone to write."""
    return semconv.UNIT_PREFIX + unit

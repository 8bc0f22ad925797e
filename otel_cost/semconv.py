"""Names of attributes, metrics, events and loggers: the only place (dialect tables apart) where they are spelled.

``gen_ai.*`` follows OpenTelemetry's semantic conventions for generative AI; they are spelled here because the generated
Python module for them is deprecated. Cost attributes follow the draft in semantic-conventions-genai (pull request 443).
Everything under ``otel_cost.*`` is this project's own.
"""

from __future__ import annotations

from typing import Final

# --- gen_ai.*: what a call was --------------------------------------------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
SYSTEM: Final = "gen_ai.system"  # the older name of the provider attribute
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
AGENT_ID: Final = "gen_ai.agent.id"
AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
ANTHROPIC_RESPONSE_SERVICE_TIER: Final = "anthropic.response.service_tier"
SERVICE_TIER: Final = "otel_cost.service_tier"
"""Our instrumentors' word on the tier that a call is billed at, where the answer's own tier field does not tell it."""
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
FAILURE: Final = "otel_cost.failure"
"""Class of the exception that ended a call, on spans whose owner has names of its own for ``error.type``, or none."""

# --- gen_ai.usage.*: input and output are totals, the others are subsets of them ------------------------------------
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_CACHE_CREATION: Final = "gen_ai.usage.cache_creation.input_tokens"  # renamed to cache_write; both in the wild
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT: Final = "gen_ai.usage.audio.output_tokens"
USAGE_IMAGE_INPUT: Final = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT: Final = "gen_ai.usage.image.output_tokens"
USAGE_VIDEO_INPUT: Final = "gen_ai.usage.video.input_tokens"
USAGE_VIDEO_OUTPUT: Final = "gen_ai.usage.video.output_tokens"
USAGE_AUDIO_CACHE_READ: Final = "gen_ai.usage.audio.cache_read.input_tokens"
USAGE_IMAGE_CACHE_READ: Final = "gen_ai.usage.image.cache_read.input_tokens"
USAGE_VIDEO_CACHE_READ: Final = "gen_ai.usage.video.cache_read.input_tokens"
ANTHROPIC_CACHE_5M: Final = "anthropic.usage.cache_creation.ephemeral_5m_input_tokens"
ANTHROPIC_CACHE_1H: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
UNIT_PREFIX: Final = "otel_cost.usage."
"""Units without a conventional attribute are written as this prefix plus the unit's name (``otel_cost.units``)."""
USAGE_ESTIMATED: Final = "otel_cost.usage_estimated"
"""True on a span whose instrumentation had to estimate the token counts (a stream that was never asked for usage)."""
USAGE_ESTIMATED_HOW: Final = "otel_cost.usage_estimated.how"
"""Which counts those are, how our instrumentors came by them, and what they could not see."""
USAGE_FOLLOWS: Final = "otel_cost.usage_follows"
"""True on a span whose answer is not made yet: what it uses is told when that is fetched."""

# --- what is no model's call, and what is not to be recorded ----------------------------------------------------------
USD: Final = "otel_cost.usd"
"""What a tool's call or a resource cost, where the app knows it: USD, as text (exact) or as a double."""
RESOURCE: Final = "otel_cost.resource"
"""Name of a resource with the unit that it is priced in, such as ``cpu_core_hour``."""
QUANTITY: Final = "otel_cost.quantity"
DISABLED: Final = "otel_cost.disabled"
"""True on the spans of a request for which recording was switched off."""

# --- cost on a span -------------------------------------------------------------------------------------------------
COST_AMOUNT: Final = "gen_ai.usage.cost.amount"
COST_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_SOURCE: Final = "gen_ai.usage.cost.source"
STATUS: Final = "otel_cost.status"
REASON: Final = "otel_cost.reason"
DETAIL: Final = "otel_cost.detail"
COST_PART_PREFIX: Final = "otel_cost.cost."
PRICE_ID: Final = "otel_cost.price.id"
PRICE_CATALOG: Final = "otel_cost.price.catalog"
PRICING_MODEL: Final = "otel_cost.pricing_model"
SUBTREE_COST: Final = "otel_cost.subtree.cost"
COMPAT_OPENLIT_COST: Final = "gen_ai.usage.cost"
COMPAT_LOGFIRE_COST: Final = "operation.cost"
COMPAT_OPENINFERENCE_PREFIX: Final = "llm.cost."
REPORTED_COST: Final = "otel_cost.reported.cost"
"""What the answer's own body says that the call cost, in USD: written by our instrumentors, never a verdict."""
REPORTED_UPSTREAM_COST: Final = "otel_cost.reported.upstream_cost"
"""What the provider behind a router bills beside that, in USD, where the router was given a key of its user's."""
OPINION_PREFIX: Final = "otel_cost.opinion."
"""Second opinions in USD, by this prefix plus their source (``otel_cost.model.OpinionSource``)."""
OPINION_DISAGREES: Final = "otel_cost.opinion.disagrees"
"""True on a span where a second opinion is farther from the charge than the tolerance allows."""
OPINION_SOURCE: Final = "otel_cost.opinion.source"
"""Metric attribute: whose opinion."""

# --- who ------------------------------------------------------------------------------------------------------------
SERVICE_NAME: Final = "service.name"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
ENVIRONMENT: Final = "deployment.environment.name"
ENVIRONMENT_OLD: Final = "deployment.environment"
USER_ID: Final = "user.id"
SESSION_ID: Final = "session.id"
LABEL_PREFIX: Final = "otel_cost."
LABEL_ATTRIBUTES: Final[dict[str, str]] = {
    # label name -> the attribute that carries it, where a standard name exists
    "service": SERVICE_NAME,
    "environment": ENVIRONMENT,
    "user": USER_ID,
    "session": SESSION_ID,
    "conversation": CONVERSATION_ID,
    "agent": AGENT_NAME,
    "agent_id": AGENT_ID,
}
OWN_LABELS: Final = ("tenant", "workspace", "team", "project", "feature", "execution")
CALLER_ROUTE: Final = "otel_cost.caller.route"
CALLER_ADDRESS: Final = "otel_cost.caller.address"
CALLER_TOKEN_HASH: Final = "otel_cost.caller.token_hash"
HTTP_ROUTE: Final = "http.route"


def label_attribute(label: str) -> str:
    """The attribute that carries ``label``: the standard name where there is one, else ``otel_cost.<label>``."""
    if label in _TAKEN:
        return f"{LABEL_PREFIX}label.{label}"
    return LABEL_ATTRIBUTES.get(label, LABEL_PREFIX + label)


_TAKEN: Final = frozenset(
    {"status", "reason", "detail", "kind", "pricing_model", "usage_estimated", "label", "usd", "resource", "quantity"}
    | {"disabled"}
)
"""Labels whose own attribute would look like a verdict of otel-cost's."""


# --- metrics --------------------------------------------------------------------------------------------------------
METRIC_SPEND: Final = "otel_cost.spend.usd"
METRIC_OPERATION_COST: Final = "gen_ai.client.operation.cost"
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"
METRIC_TOKENS: Final = "otel_cost.tokens"
METRIC_OPERATIONS: Final = "otel_cost.operations"
METRIC_BUDGET_SPENT: Final = "otel_cost.budget.spent.usd"
METRIC_BUDGET_LIMIT: Final = "otel_cost.budget.limit.usd"
METRIC_BUDGET_UTILIZATION: Final = "otel_cost.budget.utilization"
METRIC_BUDGET_RESERVED: Final = "otel_cost.budget.reserved.usd"
METRIC_BUDGET_CACHE_HITS: Final = "otel_cost.budget.cache.hits"
METRIC_BUDGET_CACHE_MISSES: Final = "otel_cost.budget.cache.misses"
METRIC_BUDGET_UNREACHABLE: Final = "otel_cost.budget.store.unreachable"
METRIC_BUDGET_LOST: Final = "otel_cost.budget.lost.usd"
METRIC_BUDGET_UNSETTLED: Final = "otel_cost.budget.unsettled.usd"
METRIC_BUDGET_BREACHES: Final = "otel_cost.budget.breaches"
METRIC_BUDGET_BLOCKED: Final = "otel_cost.budget.blocked"
METRIC_DISAGREEMENTS: Final = "otel_cost.disagreements"
METRIC_UNREADABLE_OPINIONS: Final = "otel_cost.opinions.unreadable"
METRIC_ERRORS: Final = "otel_cost.errors"
METRIC_LABEL_OVERFLOW: Final = "otel_cost.labels.overflow"
METRIC_LEDGER_QUEUED: Final = "otel_cost.ledger.queued"
METRIC_LEDGER_SPOOLED: Final = "otel_cost.ledger.spooled"
METRIC_LEDGER_WRITTEN: Final = "otel_cost.ledger.written"
METRIC_LEDGER_DROPPED: Final = "otel_cost.ledger.dropped"
METRIC_LEDGER_DROPPED_USD: Final = "otel_cost.ledger.dropped.usd"
METRIC_BOOK_SPEND: Final = "otel_cost.book.spend.usd"
METRIC_BOOK_VOIDED: Final = "otel_cost.book.voided.usd"
METRIC_BOOK_TOKENS: Final = "otel_cost.book.tokens"
METRIC_BOOK_OPERATIONS: Final = "otel_cost.book.operations"
METRIC_BOOK_DISAGREEMENTS: Final = "otel_cost.book.disagreements"
METRIC_BOOK_TOTAL_SPEND: Final = "otel_cost.book.total.usd"
METRIC_BOOK_TOTAL_OPERATIONS: Final = "otel_cost.book.total.operations"
METRIC_BOOK_BUDGET_SPENT: Final = "otel_cost.book.budget.spent.usd"
METRIC_BOOK_BUDGET_LIMIT: Final = "otel_cost.book.budget.limit.usd"
METRIC_BOOK_BUDGET_RESERVED: Final = "otel_cost.book.budget.reserved.usd"
METRIC_BOOK_BUDGET_UTILIZATION: Final = "otel_cost.book.budget.utilization"
METRIC_BOOK_BUDGET_PAUSED: Final = "otel_cost.book.budget.paused"
METRIC_BOOK_BUDGET_EVENTS: Final = "otel_cost.book.budget.events"
METRIC_BOOK_BUDGET_UNSETTLED: Final = "otel_cost.book.budget.unsettled.usd"
METRIC_JOBS_RUNS: Final = "otel_cost.jobs.runs"
METRIC_JOBS_FAILURES: Final = "otel_cost.jobs.failures"
METRIC_JOBS_BUSY: Final = "otel_cost.jobs.busy.seconds"
METRIC_JOBS_LAST: Final = "otel_cost.jobs.last_run.timestamp.seconds"
UNIT_USD: Final = "{USD}"
UNIT_COST: Final = "{cost}"
UNIT_TOKEN: Final = "{token}"
UNIT_OPERATION: Final = "{operation}"
UNIT_SECONDS: Final = "s"
COST_BUCKETS_USD: Final = (
    *(digit * 10.0**power for power in range(-5, 2) for digit in (1, 2, 5)),
    100.0,
)  # 1e-5 ... 100 USD in steps of 1-2-5: a cached chat call is near 1e-5, a long agent run near 10
DURATION_BUCKETS_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS: Final = tuple(float(4**power) for power in range(14))

# --- metric attributes ----------------------------------------------------------------------------------------------
KIND: Final = "otel_cost.kind"
TOKEN_TYPE: Final = "otel_cost.token.type"
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"
BUDGET_NAME: Final = "otel_cost.budget.name"
BUDGET_SCOPE: Final = "otel_cost.budget.scope"
BUDGET_PERIOD: Final = "otel_cost.budget.period"
BUDGET_SEVERITY: Final = "otel_cost.budget.severity"
BUDGET_THRESHOLD: Final = "otel_cost.budget.threshold"
BUDGET_SPENT: Final = "otel_cost.budget.spent.usd"
BUDGET_LIMIT: Final = "otel_cost.budget.limit.usd"
BUDGET_ACTOR: Final = "otel_cost.budget.actor"
ERROR_SITE: Final = "otel_cost.error.site"
LABEL_NAME: Final = "otel_cost.label"
OVERFLOW_VALUE: Final = "other"

# --- events ---------------------------------------------------------------------------------------------------------
EVENT_CHARGE: Final = "otel_cost.charge"
EVENT_BUDGET_THRESHOLD: Final = "otel_cost.budget.threshold"
EVENT_BUDGET_BREACH: Final = "otel_cost.budget.breach"
EVENT_BUDGET_BLOCKED: Final = "otel_cost.budget.blocked"
EVENT_BUDGET_PAUSED: Final = "otel_cost.budget.paused"
EVENT_BUDGET_RESUMED: Final = "otel_cost.budget.resumed"

# --- fields of the otel_cost.charge event, beside the span attributes above -----------------------------------------
CHARGE_KEY: Final = "otel_cost.charge.key"
CHARGE_AMOUNT_NANO: Final = "otel_cost.charge.nano_usd"
CHARGE_LIST_NANO: Final = "otel_cost.charge.list_nano_usd"
CHARGE_PART_NANO_PREFIX: Final = "otel_cost.charge.part."
CHARGE_TRACE_ID: Final = "otel_cost.charge.trace_id"
CHARGE_SPAN_ID: Final = "otel_cost.charge.span_id"
CHARGE_PARENT_SPAN_ID: Final = "otel_cost.charge.parent_span_id"
CHARGE_START_NS: Final = "otel_cost.charge.start_unix_nano"
CHARGE_END_NS: Final = "otel_cost.charge.end_unix_nano"
CHARGE_SCOPE: Final = "otel_cost.charge.scope"
CHARGE_PROCESS: Final = "otel_cost.charge.process"
CHARGE_LAYER: Final = "otel_cost.charge.layer"
CHARGE_COUNTED: Final = "otel_cost.charge.counted_as"
CHARGE_SERVICE_TIER: Final = "otel_cost.charge.service_tier"
CHARGE_USAGE_ESTIMATED: Final = "otel_cost.charge.usage_estimated"

# --- scopes and loggers ---------------------------------------------------------------------------------------------
SCOPE: Final = "otel_cost"
"""Instrumentation scope of otel-cost's own metrics and events."""
INSTRUMENTATION_SCOPE_PREFIX: Final = "otel_cost_instrumentation."
"""Instrumentation scope of spans that our instrumentors open: this prefix plus the provider module's name."""
IMPORT_SCOPE: Final = "otel_cost.import"
"""Scope of calls out of request logs that say nothing of who wrote them."""
LOGGER: Final = "otel_cost"
LOGGER_CHARGES: Final = "otel_cost.charges"

# --- operations -----------------------------------------------------------------------------------------------------
OP_CHAT: Final = "chat"
OP_GENERATE_CONTENT: Final = "generate_content"
OP_TEXT_COMPLETION: Final = "text_completion"
OP_EMBEDDINGS: Final = "embeddings"
OP_RETRIEVAL: Final = "retrieval"
OP_FETCH_RESPONSE: Final = "fetch_response"
OP_INVOKE_AGENT: Final = "invoke_agent"
OP_INVOKE_WORKFLOW: Final = "invoke_workflow"
OP_EXECUTE_TOOL: Final = "execute_tool"
OP_USE_RESOURCE: Final = "use_resource"

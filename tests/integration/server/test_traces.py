"""Spans in, by hand and by OpenTelemetry's own exporters, and what the book then says."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from otel_cost import semconv, shield
from otel_cost.config import Config
from otel_cost.ended import EndedSpan
from otel_cost.ledger import Ledger
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.questions import CallQuery
from otel_cost.model import CostRecord
from otel_cost.pipeline import Pipeline
from otel_cost.pricing import Pricer
from otel_cost.server.app import create_app
from tests.integration.server.serving import JSON, MINUTE, NOW, Server, chat, pairs, request, serving, span, traces
from tests.support.expected import Call

PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd


@contextmanager
def _exporting(server: Server, compression: Compression, **labels: str) -> Iterator[TracerProvider]:
    resource = {semconv.SERVICE_NAME: "shop", **{semconv.label_attribute(name): labels[name] for name in labels}}
    provider = TracerProvider(resource=Resource.create(resource))
    exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def _by_team(server: Server, **parameters: str | int) -> dict[str, int]:
    groups = server.summary(group_by="team", **parameters)["groups"]
    assert isinstance(groups, list)
    return {group["key"]["team"]: group["cost"]["nano_usd"] for group in groups}


@pytest.mark.parametrize("compression", list(Compression))
def test_what_the_sdks_exporter_sends_is_priced_and_booked(
    config: Config, ledger: Ledger, pricer: Pricer, compression: Compression
) -> None:
    with serving(create_app(config, ledger=ledger, pricer=pricer, clock=time.time_ns)) as server:
        for team in ("search", "support"):
            with _exporting(server, compression, team=team) as provider:
                tracer = provider.get_tracer("any.instrumentation")
                for _ in range(3):
                    with tracer.start_as_current_span("chat gpt-4o", kind=SpanKind.CLIENT, attributes=chat()):
                        pass
                with tracer.start_as_current_span("GET /"):
                    pass
        assert _by_team(server) == {"search": 3 * PRICE, "support": 3 * PRICE}
        total = server.summary()["total"]
        assert isinstance(total, dict)
        assert (total["calls"], total["input_tokens"], total["output_tokens"]) == (6, 6000, 600)
        assert total["operations"] == {"priced": 6}


def test_otlp_json_has_hex_ids_and_integers_as_text(server: Server) -> None:
    one = span(chat())
    body = MessageToDict(request(one, team="search"))
    (sent,) = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    sent |= {"traceId": one.trace_id.hex().upper(), "spanId": one.span_id.hex(), "somethingNew": {"a": [1]}}
    sent["links"] = [{"traceId": "0" * 32, "spanId": "0" * 16}]
    assert isinstance(sent["startTimeUnixNano"], str)
    for send in (
        server.send(json.dumps(body).encode(), "application/json; charset=utf-8"),
        server.send(gzip.compress(json.dumps(body).encode()), JSON, content_encoding="gzip"),
    ):
        assert (send.status_code, send.headers["content-type"], send.json()) == (200, JSON, {})
    assert _by_team(server) == {"search": PRICE}
    # The same span by protobuf is the same record: its ids were read as hex.
    assert server.send(traces(one, team="search")).status_code == 200
    assert server.nano() == PRICE


def test_a_protobuf_answer_is_protobuf(server: Server) -> None:
    response = server.send(traces(span(chat())))
    assert response.headers["content-type"] == "application/x-protobuf"
    assert ExportTraceServiceResponse.FromString(response.content) == ExportTraceServiceResponse()


def test_a_batch_sent_again_changes_nothing_anywhere(server: Server) -> None:
    unknown = {**chat(), semconv.REQUEST_MODEL: "gpt-99-imaginary"}
    body = traces(*(span(chat()) for _ in range(20)), span(unknown), team="search")
    assert server.send(body).status_code == 200
    summary, samples = server.summary(group_by="team,status"), server.samples()
    assert server.nano() == 20 * PRICE
    for _ in range(3):
        assert server.send(body).status_code == 200
    assert server.summary(group_by="team,status") == summary
    assert server.samples() == samples


def test_a_batch_sent_again_after_a_restart_changes_nothing(config: Config, ledger: Ledger, pricer: Pricer) -> None:
    inner, outer = span(chat()), span(chat(), length_ns=2 * 10**9)
    outer.trace_id = inner.trace_id
    bodies = [
        traces(inner, scope="otel_cost_instrumentation.openai"),
        traces(outer, scope="opentelemetry.instrumentation.langchain"),
    ]
    for order in (bodies, bodies[::-1]):
        with serving(create_app(config, ledger=ledger, pricer=pricer, clock=lambda: NOW)) as server:
            for body in order:
                assert server.send(body).status_code == 200
            assert server.nano() == PRICE


def test_the_other_span_of_a_call_is_recognised_after_a_restart(config: Config, ledger: Ledger, pricer: Pricer) -> None:
    inner, outer = span(chat()), span(chat(), length_ns=2 * 10**9)
    outer.trace_id = inner.trace_id
    for one, scope in ((inner, "otel_cost_instrumentation.openai"), (outer, "opentelemetry.instrumentation.langchain")):
        with serving(create_app(config, ledger=ledger, pricer=pricer, clock=lambda: NOW)) as server:
            assert server.send(traces(one, scope=scope)).status_code == 200
            assert server.nano() == PRICE


def test_a_verdict_made_in_the_app_is_adopted(server: Server) -> None:
    settled = span(
        chat(
            **{
                semconv.STATUS: "priced",
                semconv.COST_AMOUNT: 0.125,
                semconv.COST_PART_PREFIX + "input": 0.1,
                semconv.COST_PART_PREFIX + "output": 0.025,
                semconv.PRICE_ID: "contract:7",
            }
        )
    )
    server.send(traces(settled))
    assert server.nano() == 125_000_000
    assert server.nano(price_id="contract:7") == 125_000_000
    total = server.summary()["total"]
    assert isinstance(total, dict)
    assert {part: money["nano_usd"] for part, money in total["parts"].items() if money["nano_usd"]} == {
        "input": 100_000_000,
        "output": 25_000_000,
    }


def test_a_verdict_of_loading_prices_is_priced_here(server: Server) -> None:
    loading = {semconv.STATUS: "unpriced", semconv.REASON: "prices_loading"}
    server.send(traces(span(chat(**loading))))
    assert server.nano() == PRICE


def test_an_unknown_model_is_listed_with_the_way_to_price_it(server: Server) -> None:
    unknown = {**chat(), semconv.REQUEST_MODEL: "gpt-99-imaginary"}
    server.send(traces(span(unknown), span(unknown), span(chat())))
    summary = server.summary()
    assert server.nano() == PRICE
    (calls,) = summary["unpriced"] if isinstance(summary["unpriced"], list) else ()
    assert (calls["model"], calls["reason"], calls["calls"]) == ("gpt-99-imaginary", "unknown_model", 2)
    assert "model: gpt-99-imaginary" in calls["advice"]
    assert server.metric("otel_cost_book_operations_total", 'status="unpriced"', 'reason="unknown_model"') == 2


def test_spans_of_one_call_are_booked_once_and_the_wires_price_wins(server: Server) -> None:
    inner, outer = span(chat()), span(chat(), length_ns=2 * 10**9)
    outer.trace_id = inner.trace_id
    # The framework's span arrives first and is booked; then the request's own span takes over.
    server.send(traces(outer, scope="opentelemetry.instrumentation.langchain", team="search"))
    assert server.nano() == PRICE
    server.send(traces(inner, scope="otel_cost_instrumentation.openai", team="search"))
    assert server.nano() == PRICE
    assert server.nano(scope="otel_cost_instrumentation.openai") == PRICE
    spend = server.metric("otel_cost_book_spend_usd_total", 'team="search"')
    voided = server.metric("otel_cost_book_voided_usd_total", 'team="search"')
    assert spend - voided == pytest.approx(PRICE / 10**9)


def test_book_metrics_carry_the_labels_and_exact_sums(server: Server) -> None:
    server.send(traces(*(span(chat()) for _ in range(7)), team="search", environment="production"))
    labels = ('model="gpt-4o"', 'provider="openai"', 'service="shop"', 'team="search"', 'environment="production"')
    assert server.metric("otel_cost_book_spend_usd_total", *labels) == 7 * PRICE / 10**9
    assert server.metric("otel_cost_book_tokens_total", *labels, 'token_type="input"') == 7000
    assert server.metric("otel_cost_book_tokens_total", *labels, 'token_type="output"') == 700
    assert server.metric("otel_cost_book_operations_total", *labels, 'status="priced"', 'entry="charge"') == 7


def test_spans_that_are_no_spans_are_rejected_and_the_rest_is_kept(server: Server) -> None:
    good, no_trace, no_span, no_start, beyond = (span(chat()) for _ in range(5))
    no_trace.trace_id = b"\0" * 16
    no_span.span_id = b"short"
    no_start.start_time_unix_nano = 0
    beyond.end_time_unix_nano = 2**64 - 1
    response = ExportTraceServiceResponse.FromString(
        server.send(traces(no_trace, no_span, good, no_start, beyond)).content
    )
    assert response.partial_success.rejected_spans == 4
    for reason in ("trace_id", "span_id", "no start time"):
        assert reason in response.partial_success.error_message
    assert server.nano() == PRICE


def test_amounts_that_no_call_can_cost_are_booked_as_unpriced(server: Server) -> None:
    absurd = span(chat(**{semconv.STATUS: "priced", semconv.COST_AMOUNT: 3_000_000.0}))
    assert server.send(traces(absurd, span(chat()))).status_code == 200
    assert server.nano() == PRICE
    total = server.summary(reason="invalid_usage")["total"]
    assert isinstance(total, dict)
    assert total["operations"] == {"unpriced": 1}


def test_hostile_attributes_are_booked_as_what_they_are(server: Server) -> None:
    nasty = {
        semconv.REQUEST_MODEL: "'; DROP TABLE entries; --\0" + "x" * 10_000,
        semconv.USAGE_INPUT_TOKENS: 2**62,
        semconv.USAGE_OUTPUT_TOKENS: -1,
        semconv.OWN_LABELS[2]: "<script>",
    }
    assert server.send(traces(span({**chat(), **nasty}), span(chat()), team='\n{}"\\\0')).status_code == 200
    assert server.nano() == PRICE
    summary = server.summary(group_by="team,model")
    assert isinstance(summary["groups"], list)
    assert len(summary["groups"]) == 2
    assert server.http.get("/metrics").status_code == 200


def test_deflate_and_gzip_members_one_after_the_other(server: Server) -> None:
    body = traces(span(chat()))
    assert server.send(zlib.compress(body), content_encoding="deflate").status_code == 200
    half = len(body) // 2
    members = gzip.compress(body[:half]) + gzip.compress(body[half:])
    assert server.send(members, content_encoding="gzip").status_code == 200
    assert server.nano() == PRICE


def test_base64_ids_in_json_are_refused_not_misread(server: Server) -> None:
    one = span(chat())
    body = MessageToDict(request(one))
    (sent,) = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    sent["traceId"] = base64.b64encode(b"\xff" * 16).decode()
    response = server.send(json.dumps(body).encode(), JSON)
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert server.summary()["total"] == server.summary(days=1)["total"]


def test_an_empty_request_is_fine(server: Server) -> None:
    assert server.send(ExportTraceServiceRequest().SerializeToString()).status_code == 200
    assert server.send(b"{}", JSON).json() == {}


def test_a_span_that_breaks_something_does_not_cost_the_sender_its_batch(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shield.set_strict(False)
    process = Pipeline.process

    def fragile(self: Pipeline, ended: EndedSpan) -> CostRecord | None:
        if ended.attributes.get("breaks"):
            raise RuntimeError("not foreseen")
        return process(self, ended)

    monkeypatch.setattr(Pipeline, "process", fragile)
    response = server.send(traces(span(chat()), span(chat(breaks="it")), span(chat())))
    assert response.status_code == 200
    assert ExportTraceServiceResponse.FromString(response.content).partial_success.rejected_spans == 1
    assert server.nano() == 2 * PRICE
    assert server.metric("otel_cost_errors_total", 'site="server.settle"') == 1


def _priced_elsewhere(process: str, status: str = "priced", **more: str | float) -> bytes:
    """A span that the app ``process`` priced itself, of the one response that everybody saw."""
    attributes = {semconv.RESPONSE_ID: "chatcmpl-1", semconv.STATUS: status, **more}
    if status == "priced":
        attributes[semconv.COST_AMOUNT] = PRICE / 1e9
    sent = request(span(chat(**attributes)))
    sent.resource_spans[0].resource.attributes.extend(pairs({semconv.SERVICE_INSTANCE_ID: process}))
    return sent.SerializeToString()


def test_a_client_and_a_proxy_that_both_priced_one_response_are_one_charge(server: Server) -> None:
    for process in ("client", "proxy"):
        assert server.send(_priced_elsewhere(process)).status_code == 200
    assert server.nano() == PRICE


def test_a_client_and_a_proxy_are_one_charge_also_where_neither_says_which_process_it_is(server: Server) -> None:
    """In one trace, as a request carries it on."""
    attributes = {semconv.RESPONSE_ID: "chatcmpl-1", semconv.STATUS: "priced", semconv.COST_AMOUNT: PRICE / 1e9}
    client, proxy = span(chat(**attributes), length_ns=2 * 10**9), span(chat(**attributes))
    proxy.trace_id = client.trace_id
    server.send(traces(proxy))
    server.send(traces(client))
    assert server.nano() == PRICE


@pytest.mark.parametrize("response", ["chatcmpl-1", ""])
@pytest.mark.parametrize("first", ["judged", "other"])
def test_an_instrumentation_that_the_app_did_not_judge_is_matched_in_any_order(
    server: Server, first: str, response: str
) -> None:
    """It writes to a tracer provider of its own, so that its spans come without a verdict, perhaps before ours."""
    said = {semconv.RESPONSE_ID: response} if response else {}
    verdict = {semconv.STATUS: "priced", semconv.COST_AMOUNT: PRICE / 1e9}
    other, judged = span(chat(**said), length_ns=2 * 10**9), span(chat(**said, **verdict))
    judged.trace_id = other.trace_id
    bodies = {"judged": traces(judged), "other": traces(other, scope="my.tracing")}
    for name in (first, *({*bodies} - {first})):
        server.send(bodies[name])
    assert server.nano() == PRICE


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_call_that_began_after_the_span_above_it_ended_takes_nothing_away(
    server: Server, order: tuple[int, ...]
) -> None:
    """A framework's span that its app counted, and a larger call that a callback made afterwards, in its context."""
    first = span(chat(**{semconv.STATUS: "priced", semconv.COST_AMOUNT: PRICE / 1e9}))
    later = span(chat(2000, 200), start_ns=NOW - MINUTE // 2)
    later.trace_id, later.parent_span_id = first.trace_id, first.span_id
    bodies = (traces(first, scope="opentelemetry.instrumentation.genai.langchain"), traces(later))
    for number in order:
        server.send(bodies[number])
    assert server.nano() == 3 * PRICE


def test_a_price_wins_over_an_app_that_had_none(server: Server) -> None:
    server.send(_priced_elsewhere("client", "unpriced", **{semconv.REASON: "unknown_model"}))
    server.send(_priced_elsewhere("proxy"))
    total = server.summary()["total"]
    assert server.nano() == PRICE
    assert isinstance(total, dict)
    assert total["calls"] == 1


def test_a_verdict_whose_amount_was_cut_on_the_way_is_priced_here(server: Server) -> None:
    server.send(traces(span(chat(**{semconv.STATUS: "priced"}))))
    assert server.nano() == PRICE


def test_a_span_twice_in_a_batch_that_says_less_the_second_time_keeps_its_price(server: Server) -> None:
    told = span(chat())
    less = span({semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: "gpt-4o", semconv.PROVIDER_NAME: "openai"})
    less.trace_id, less.span_id = told.trace_id, told.span_id
    server.send(traces(told, less))
    assert server.nano() == PRICE


def test_one_span_with_a_bad_id_does_not_cost_the_batch(server: Server) -> None:
    one, other = span(chat()), span(chat())
    body = MessageToDict(request(one, other))
    good, bad = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    good |= {"traceId": one.trace_id.hex(), "spanId": one.span_id.hex()}
    bad |= {"traceId": "not hex", "spanId": other.span_id.hex()}
    response = server.send(json.dumps(body).encode(), JSON)
    assert response.status_code == 200
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert server.nano() == PRICE


def _remote_agent(server: Server, order: tuple[str, ...], verdict: Mapping[str, str | float]) -> None:
    """An agent that another service runs: the caller's span has the tokens of both calls, which the service's own
    spans have too; an HTTP request lies between them. Each span arrives in a batch of its own."""
    asked = {**chat(3000, 300), semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "planner", **verdict}
    agent = span(asked, length_ns=10**10)
    between = span({"http.request.method": "POST"}, length_ns=9 * 10**9)
    first, second = span(chat(1000, 100)), span(chat(2000, 200), start_ns=NOW - MINUTE + 2 * 10**9)
    for inner, outer in ((between, agent), (first, between), (second, between)):
        inner.trace_id, inner.parent_span_id = agent.trace_id, outer.span_id
    spans = {"agent": agent, "between": between, "first": first, "second": second}
    for name in order:
        service = "caller" if name in ("agent", "between") else "agents"
        assert server.send(traces(spans[name], scope=f"{service}.llm", team=service)).status_code == 200


@pytest.mark.parametrize("order", list(itertools.permutations(("agent", "between", "first", "second"))))
@pytest.mark.parametrize("verdict", [{}, {semconv.STATUS: "priced", semconv.COST_AMOUNT: 0.0105}], ids=["none", "own"])
def test_an_agent_and_the_calls_inside_it_arrive_in_any_order(
    server: Server, order: tuple[str, ...], verdict: Mapping[str, str | float]
) -> None:
    """Also where the caller priced the agent itself, since it could not see the calls inside."""
    _remote_agent(server, order, verdict)
    assert server.nano() == 3 * PRICE
    assert server.nano(team="agents") == 3 * PRICE
    statuses = server.summary()["total"]
    assert isinstance(statuses, dict)
    assert statuses["operations"] == {"priced": 2, "wrapper": 1}
    spend, voided = (server.metric(f"otel_cost_book_{name}_usd_total") for name in ("spend", "voided"))
    assert spend - voided == pytest.approx(3 * PRICE / 10**9)


def test_an_agent_that_took_an_hour_is_still_around_its_calls(config: Config, ledger: Ledger, pricer: Pricer) -> None:
    now = [NOW]
    app = create_app(config, ledger=ledger, pricer=pricer, clock=lambda: now[0])
    agent = span({**chat(1000, 100), semconv.OPERATION_NAME: "invoke_agent"}, length_ns=61 * MINUTE)
    inner = span(chat(1000, 100))
    inner.trace_id, inner.parent_span_id = agent.trace_id, agent.span_id
    with serving(app) as server:
        server.send(traces(inner))
        now[0] += 60 * MINUTE
        server.send(traces(span(chat(1, 1)), agent))
        total = server.summary()["total"]
    assert isinstance(total, dict)
    assert total["operations"] == {"priced": 2, "wrapper": 1}


def test_a_call_from_next_year_is_booked_now_and_said_so(server: Server, ledger: Ledger) -> None:
    year = 365 * 86_400 * 10**9
    early = span(chat(), start_ns=NOW + year, length_ns=5 * 10**9)
    a_little = span(chat(), start_ns=NOW + MINUTE)
    response = server.send(traces(early, a_little))
    answer = ExportTraceServiceResponse.FromString(response.content)
    assert answer.partial_success.rejected_spans == 0
    assert "booked at the time of its arrival" in answer.partial_success.error_message
    booked = {call.record.start_ns: call.record.duration_s for call in ledger.calls(CallQuery(0, MAX_STORED))}
    assert booked == {NOW: 5.0, NOW + MINUTE: 1.0}
    server.send(traces(early))
    assert len(ledger.calls(CallQuery(0, MAX_STORED))) == 2


def test_texts_of_ten_megabytes_cost_the_sender_nothing(config: Config, ledger: Ledger, pricer: Pricer) -> None:
    large = replace(config, server=replace(config.server, max_body_bytes=40 * 2**20))
    huge = "x" * (10 * 2**20)
    hostile = span(chat(**{semconv.REQUEST_MODEL: huge, semconv.label_attribute("team"): huge, huge[:100]: huge}))
    with serving(create_app(large, ledger=ledger, pricer=pricer, clock=lambda: NOW)) as server:
        assert server.send(traces(hostile, span(chat()))).status_code == 200
    calls = ledger.calls(CallQuery(0, MAX_STORED))
    assert len(calls) == 2
    assert max(len(call.record.model) for call in calls) == 1024

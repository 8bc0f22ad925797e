"""Budgets in front of web apps (FEATURES E5, E16): FastAPI, Flask and Django, on real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import otel_cost
from otel_cost import runtime, semconv
from otel_cost.budget_settings import BudgetSettings, BudgetStoreSettings
from otel_cost.budgets.stores import open_store
from otel_cost.config import Config, LabelSettings
from otel_cost.errors import BudgetExceeded
from otel_cost.middleware import AsgiMiddleware, Incoming, WsgiMiddleware, answer_to
from tests.integration.middleware.apps import FRAMEWORKS, Acts, fastapi_app, served
from tests.support.waiting import until
from tests.support.world import World, make_world

TEAM = {"x-team": "search"}


def with_budget(**more: Any) -> Acts:
    settings = {"name": "b", "amount_usd": Decimal("0.01"), "action": "block", "per": ("team",), "period": "hour"}
    budgets = (BudgetSettings(**{**settings, **more}),)
    return Acts(make_world(Config(budgets=budgets, labels=LabelSettings(headers={"X-Team": "team"}))))


def spend_all(world: World, team: str = "search") -> None:
    with otel_cost.labels(team=team):
        for _ in range(3):
            with world.call():
                pass


def reserved(world: World) -> int:
    return sum(state.reserved_nano for state in world.runtime.budgets.states())


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    yield
    runtime.uninstall()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as made:
        yield made


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_request_with_nothing_left_is_answered_before_the_app_runs(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    spend_all(acts.world)
    with served(framework, acts, budgets=True) as url:
        answer = client.get(url + "/ask", headers=TEAM)
        other = client.get(url + "/ask", headers={"x-team": "other"})
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 3600
    problem = answer.json()
    detail = problem.pop("detail")
    assert detail.startswith("budget 'b' (team='search') does not allow a call: 0.010500 of 0.010000 USD are spent")
    assert problem == {
        "type": "urn:otel-cost:budget-exceeded",
        "title": "Budget exceeded",
        "status": 429,
        "instance": "/ask",
        "budget": "b",
        "scope": {"team": "search"},
        "limit_usd": 0.01,
        "spent_usd": 0.0105,
        "retry_after_s": int(answer.headers["retry-after"]),
    }
    assert (other.status_code, other.text.strip('"')) == (200, "answer")
    assert acts.ran == ["other"]
    assert len(acts.world.events(semconv.EVENT_BUDGET_BLOCKED)) == 1


def test_waiting_is_not_advised_where_it_does_not_help(framework: str, client: httpx.Client) -> None:
    acts = with_budget(period="total")
    spend_all(acts.world)
    with served(framework, acts, budgets=True) as url:
        answer = client.get(url + "/ask", headers=TEAM)
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
    assert "retry_after_s" not in answer.json()


def test_what_is_estimated_is_reserved_while_the_answer_is_made(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    with served(framework, acts, budgets=True, estimated_usd=0.006) as url:
        with client.stream("GET", url + "/stream", headers=TEAM) as answer:
            assert answer.status_code == 200
            assert answer.read() == b"begun,answer"
        until(lambda: not reserved(acts.world), "the server to be done with the answer")
        assert client.get(url + "/ask", headers=TEAM).status_code == 200
        until(lambda: not reserved(acts.world), "the server to be done with the answer")
        assert client.get(url + "/ask", headers=TEAM).status_code == 429  # 0.003 are left, 0.006 are wanted
    assert reserved(acts.world) == 0
    assert acts.ran == ["search", "search"]


def test_streams_are_sent_as_they_are_made(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    with served(framework, acts, budgets=True, estimated_usd=0.001) as url:
        answer = client.get(url + "/stream", headers=TEAM)
    assert answer.text == "begun,answer"
    assert "content-length" not in answer.headers


def test_a_no_that_escapes_the_app_is_answered_too(framework: str, client: httpx.Client) -> None:
    """By the middleware in FastAPI; Flask and Django never let errors out, so there by the handler of the docs."""
    acts = with_budget()
    with served(framework, acts, budgets=True, estimated_usd=0.001) as url:
        answer = client.get(url + "/blocked", headers=TEAM)
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert acts.ran == ["blocked"]


def test_what_was_called_in_anothers_name_is_not_told(client: httpx.Client) -> None:
    acts = with_budget()
    with served("fastapi", acts, budgets=True) as url:
        acts.team = "secret-team"
        answer = client.get(url + "/blocked", headers=TEAM)
        acts.team = ""
        own = client.get(url + "/blocked", headers=TEAM)
    assert answer.status_code == own.status_code == 429
    assert "secret" not in answer.text
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "retry_after_s"}
    assert own.json()["scope"] == {"team": "search"}


def test_figures_can_be_kept(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    spend_all(acts.world)
    with served(framework, acts, budgets=True, figures=False) as url:
        answer = client.get(url + "/ask", headers=TEAM)
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "retry_after_s"}
    assert "search" not in answer.text


def test_a_no_after_the_answer_has_begun_breaks_it_off(client: httpx.Client) -> None:
    acts = with_budget()
    with served("fastapi", acts, budgets=True) as url, pytest.raises(httpx.RemoteProtocolError):
        client.get(url + "/stream?fails=1", headers=TEAM)
    assert acts.ran == ["blocked"]


def test_escaped_errors_can_be_left_to_the_server(client: httpx.Client) -> None:
    acts = with_budget()
    with served("fastapi", acts, budgets=True, answer_escaped=False) as url:
        assert client.get(url + "/blocked", headers=TEAM).status_code == 500


@pytest.mark.parametrize(
    ("options", "guarded"),
    [
        ({}, True),
        ({"exclude": ["/healthz"]}, True),
        ({"exclude": ["/a*"]}, False),
        ({"include": ["/healthz", "/nothing/*"]}, False),
        ({"include": ["/ask/"]}, True),
        ({"include": ["/a?k"], "exclude": ["/ask"]}, False),
        ({"include": ["*"], "exclude": ["/ASK"]}, True),
    ],
)
@pytest.mark.parametrize("framework", ["fastapi", "django-wsgi"])
def test_only_some_paths_are_guarded(
    framework: str, client: httpx.Client, options: dict[str, Any], guarded: bool
) -> None:
    """FEATURES E16."""
    acts = with_budget()
    spend_all(acts.world)
    with served(framework, acts, budgets=True, **options) as url:
        assert client.get(url + "/ask", headers=TEAM).status_code == (429 if guarded else 200)


def test_health_checks_go_on_with_nothing_left(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    spend_all(acts.world)
    with served(framework, acts, budgets=True, exclude=["/healthz"]) as url:
        assert client.get(url + "/healthz", headers=TEAM).text.strip('"') == "well"


def test_labels_come_from_a_function_of_the_request(framework: str, client: httpx.Client) -> None:
    """FEATURES E16: a scope extractor."""
    acts = with_budget()
    spend_all(acts.world, "of-get")
    seen: list[Incoming] = []

    def scope(request: Incoming) -> dict[str, str]:
        seen.append(request)
        return {"team": f"of-{request.method.lower()}"}

    with served(framework, acts, budgets=True, scope=scope) as url:
        answer = client.get(url + "/ask?x=1", headers={**TEAM, "x-more": "yes"})
    assert answer.json()["scope"] == {"team": "of-get"}
    (request,) = seen
    assert (request.method, request.path, request.address) == ("GET", "/ask", "127.0.0.1")
    assert request.headers["x-more"] == "yes"
    assert request.raw


def test_what_the_function_raises_is_the_servers(client: httpx.Client) -> None:
    def scope(request: Incoming) -> dict[str, str]:
        raise LookupError(request.path)

    with served("fastapi", with_budget(), budgets=True, scope=scope) as url:
        assert client.get(url + "/ask").status_code == 500


def test_head_has_no_body_and_options_is_never_refused(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    spend_all(acts.world)
    with served(framework, acts, budgets=True) as url:
        head = client.head(url + "/ask", headers=TEAM)
        options = client.options(url + "/ask", headers=TEAM)
    assert (head.status_code, head.content) == (429, b"")
    assert "retry-after" in head.headers
    assert options.status_code == 200


def test_without_budgets_true_nothing_is_asked(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    spend_all(acts.world)
    with served(framework, acts) as url:
        assert client.get(url + "/ask", headers=TEAM).status_code == 200


def test_nothing_is_asked_where_otel_cost_is_not_installed(framework: str, client: httpx.Client) -> None:
    acts = with_budget()
    spend_all(acts.world)
    runtime.uninstall()
    with served(framework, acts, budgets=True) as url:
        assert client.get(url + "/healthz", headers=TEAM).status_code == 200


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_what_is_remembered_of_a_shared_store_is_counted(
    framework: str, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FEATURES E5, E18: far from its limit a scope is let through without asking SQLite, and that shows."""
    monkeypatch.setattr(runtime, "store_of", lambda _config: open_store(f"sqlite:///{tmp_path / 'budgets.db'}"))
    budget = BudgetSettings("b", Decimal(10), action="block", period="total")
    acts = Acts(make_world(Config(budgets=(budget,), budget_store=BudgetStoreSettings(cache="1h"))))
    with served(framework, acts, budgets=True) as url:
        assert [client.get(url + "/ask").status_code for _ in range(4)] == [200] * 4
        assert acts.world.runtime.force_flush()
        counts = [
            acts.world.points(name) for name in (semconv.METRIC_BUDGET_CACHE_HITS, semconv.METRIC_BUDGET_CACHE_MISSES)
        ]
        assert counts == [[({}, 3)], [({}, 1)]]
        spent = sum(state.spent_nano for state in acts.world.runtime.budgets.states())
        assert spent == 4 * 3_500_000
        acts.world.runtime.budgets.set_limit("b", amount_nano=1, actor="ada", reason="test")
        assert client.get(url + "/ask").status_code == 429
    acts.world.runtime.budgets.close()


@pytest.mark.parametrize("query", ["", "?blocked=1"])
def test_a_websocket_is_refused_before_it_begins(query: str) -> None:
    acts = with_budget()
    with served("fastapi", acts, budgets=True) as url:
        address = url.replace("http", "ws") + "/talk" + query
        if not query:
            with connect(address, additional_headers=TEAM, proxy=None) as talk:
                assert talk.recv() == "answer"
            spend_all(acts.world)
        with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=TEAM, proxy=None):
            pass
    assert refused.value.response.status_code == 429
    assert json.loads(refused.value.response.body or b"")["budget"] == "b"


async def test_a_server_that_can_only_close_a_websocket_closes_it() -> None:
    acts = with_budget()
    spend_all(acts.world, "")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    app = AsgiMiddleware(fastapi_app(acts, {}), budgets=True)
    await app({"type": "websocket", "path": "/talk", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "Too Many Requests"}]


class TestWsgi:
    """What a server sees of a WSGI app that lets the error out."""

    def run(self, acts: Acts, app: Any, **options: Any) -> tuple[list[str], list[bytes]]:
        told: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            told.append(status + (" instead" if exc_info else ""))

        body = WsgiMiddleware(app, budgets=True, estimated_usd=0.001, **options)(
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, start_response
        )
        try:
            return told, list(body)
        finally:
            for _ in range(2):
                getattr(body, "close", list)()
            assert reserved(acts.world) == 0

    def test_an_error_before_the_answer_is_answered(self) -> None:
        acts = with_budget()
        told, parts = self.run(acts, lambda _environ, _start: acts.blocked())
        assert told == ["429 Too Many Requests instead"]
        assert json.loads(b"".join(parts))["budget"] == "b"

    @pytest.mark.parametrize("before", [[], [b""]])
    def test_an_error_before_the_first_part_is_answered(self, before: list[bytes]) -> None:
        acts = with_budget()

        def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield from before
            acts.blocked()

        told, parts = self.run(acts, app)
        assert told == ["200 OK", "429 Too Many Requests instead"]
        assert json.loads(b"".join(parts))["status"] == 429

    def test_an_error_after_the_first_part_goes_on(self) -> None:
        acts = with_budget()

        def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b"begun"
            acts.blocked()

        with pytest.raises(BudgetExceeded):
            self.run(acts, app)

    def test_or_is_left_to_the_server(self) -> None:
        acts = with_budget()
        with pytest.raises(BudgetExceeded):
            self.run(acts, lambda _environ, _start: acts.blocked(), answer_escaped=False)

    def test_other_errors_are_the_servers(self) -> None:
        acts = with_budget()
        with pytest.raises(ZeroDivisionError):
            self.run(acts, lambda _environ, _start: 1 // 0)
        assert reserved(acts.world) == 0


def test_settings_that_cannot_be_meant_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="list of patterns"):
        AsgiMiddleware(fastapi_app(with_budget(), {}), budgets=True, exclude="/healthz")
    with pytest.raises(ValueError, match="estimated_usd is"):
        WsgiMiddleware(lambda _environ, _start: [], budgets=True, estimated_usd=-1)


@pytest.mark.parametrize(("wait_s", "told"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (None, None)])
def test_retry_after_is_in_whole_seconds(wait_s: float | None, told: str | None) -> None:
    error = BudgetExceeded("no", budget="b", scope={}, limit_nano=1, spent_nano=1, retry_after_s=wait_s)
    assert dict(answer_to(error).headers).get("retry-after") == told

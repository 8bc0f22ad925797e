"""The page about budgets in code: every block of Python in it runs, and its answer is the one that is given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import fastapi
import flask
import pytest

import otel_cost
from otel_cost import runtime
from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import Config
from otel_cost.middleware import answer_to
from tests.support import tools
from tests.support.world import World, make_world

PAGE = (tools.CHECKOUT / "docs" / "budgets-in-code.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def world() -> Iterator[World]:
    budget = BudgetSettings("team-day", Decimal("0.50"), "day", per=("team",), action="block", notify=("leads",))
    yield make_world(Config(budgets=(budget,)))
    runtime.uninstall()


def run(part: str, **names: Any) -> dict[str, Any]:
    (block,) = (block for block in BLOCKS if part in block)
    known = {"otel_cost": otel_cost, **names}
    exec(compile(block, "budgets-in-code.md", "exec", dont_inherit=True), known)
    return known


def reserved(world: World) -> float:
    return sum(state.reserved_nano for state in world.runtime.budgets.states()) / 1e9


async def test_guarded_functions_reserve_what_is_said(world: World) -> None:
    seen: list[float] = []

    def answer(question: str) -> str:
        seen.append(reserved(world))
        return question

    names = run("def research", answer=answer)
    assert (names["research"]("a"), await names["research_async"]("b")) == ("a", "b")
    assert seen == [0.25, 0.25]
    assert reserved(world) == 0


def test_the_decision_picks_a_model(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("can_spend")["model"] == "the large one"
    with otel_cost.guard(0.45, team="search"):
        pass
    otel_cost.record_tool("search", usd="0.45", team="search")
    assert run("can_spend")["model"] == "the small one"
    assert "team-day" in capsys.readouterr().out
    decision = otel_cost.can_spend()
    assert all(f"`{name}`" in PAGE for name in type(decision).__dataclass_fields__)


def test_the_answer_is_the_one_that_is_given(world: World) -> None:
    otel_cost.record_tool("search", usd="0.51", team="search")
    with pytest.raises(otel_cost.BudgetExceeded) as caught, otel_cost.guard(team="search"):
        pass
    given = json.loads(answer_to(caught.value, instance="/ask").body)
    (shown,) = re.findall(r"\n(\{.*?\})\n```", PAGE, re.DOTALL)
    wait = {"retry_after_s": given["retry_after_s"]}
    assert json.loads(shown.replace("\n", "")) | wait == given


def test_the_middleware_is_added_as_it_says(world: World) -> None:
    run("AsgiMiddleware", app=fastapi.FastAPI())
    app = flask.Flask(__name__)
    run("import WsgiMiddleware", app=app)
    run("errorhandler", app=app)

    @app.get("/ask")
    def ask() -> str:
        with otel_cost.guard(10):
            return "never"

    with app.test_client() as client:
        answer = client.get("/ask")
    assert answer.status_code == 429
    assert answer.mimetype == "application/problem+json"
    assert "budget" not in (answer.json or {})


def test_the_callback_hears_a_breach(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    stop = run("on_budget_event")["stop"]
    otel_cost.record_tool("search", usd="0.51")
    assert world.runtime.force_flush()
    stop()
    assert "('leads',) critical budget 'team-day'" in capsys.readouterr().out
    assert all(f"`{name}`" in PAGE for name in otel_cost.BudgetNotice.__dataclass_fields__)


def test_every_block_is_run_here() -> None:
    parts = ("def research", "can_spend", "AsgiMiddleware", "import WsgiMiddleware", "errorhandler", "on_budget_event")
    assert all(sum(part in block for part in parts) == 1 for block in BLOCKS)
    assert len(BLOCKS) == len(parts)


def test_the_readme_leads_to_it() -> None:
    assert "docs/budgets-in-code.md" in (tools.CHECKOUT / "README.md").read_text()

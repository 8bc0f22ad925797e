"""The REST API's questions about costs, over a book whose sums can be told by heart."""

from __future__ import annotations

import base64
import csv
import io
import json
from hashlib import blake2b

import pytest

from otel_cost.ledger.sheets import COLUMNS
from tests.integration.server.serving import Server
from tests.integration.server.shop import dollars, get, nano, problem


def test_entries_come_newest_first_and_page_by_page(shop: Server) -> None:
    """FEATURES A5, A9: entries with filters and a limit, and what is said of each."""
    keys: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        page = get(shop, "/costs/entries", limit=3, days=10, **cursor)
        keys += [entry["key"] for entry in page["entries"]]
        pages += 1
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    whole = get(shop, "/costs/entries", days=10)
    assert keys == [entry["key"] for entry in whole["entries"]]
    assert (len(keys), len(set(keys)), pages) == (7, 7, 3)
    assert [entry["at"] for entry in whole["entries"]] == sorted((e["at"] for e in whole["entries"]), reverse=True)
    first = whole["entries"][0]
    assert (first["model"], first["model_requested"], first["kind"]) == ("gpt-5-2025-08-07", "gpt-5", "llm")
    assert (dollars(first["cost"]), first["labels"]["team"], first["duration_s"]) == (10, "search", 1)
    assert first["usage"] == {"input_tokens": 100, "output_tokens": 10}


def test_entries_are_filtered(shop: Server) -> None:
    (tool,) = get(shop, "/costs/entries", kind="tool")["entries"]
    assert (tool["model"], dollars(tool["cost"]), tool["operation"]) == ("maps_api", 4, "execute_tool")
    assert len(get(shop, "/costs/entries", service="shop", provider="openai")["entries"]) == 3
    assert len(get(shop, "/costs/entries", user="ada")["entries"]) == 2
    assert get(shop, "/costs/entries", team="nobody") | {"from": "", "to": ""} == {
        "from": "", "to": "", "currency": "USD", "filters": {"team": "nobody"}, "entries": [], "next_cursor": None,
    }  # fmt: skip


def test_a_page_of_another_list_is_refused(shop: Server) -> None:
    cursor = get(shop, "/costs/entries", limit=3)["next_cursor"]
    torn = base64.urlsafe_b64encode(b"\0" * 12 + b"[1,2,3,4]").decode()
    path = "/api/v1/costs/entries"
    for parameters in (
        {"cursor": cursor, "team": "search"},
        {"cursor": cursor, "days": 30},
        {"cursor": cursor[:-3]},
        {"cursor": cursor[:20] + "A" + cursor[21:]},
        {"cursor": torn},
        {"cursor": "not/base64"},
        {"cursor": "\u00e9"},
        {"cursor": ""},
    ):
        answer = shop.http.get(path, params={"limit": 3, **parameters})
        assert problem(answer, 400)["field"] == "cursor", parameters


@pytest.mark.parametrize(
    "body",
    [b"5", b"{}", b"null", b'[1,0,5,1,"\\ud800"]', b'[1,0,NaN,1,""]', b"[" * 440],
    ids=["number", "object", "null", "half a character", "no number", "deep"],
)
def test_a_forged_page_is_a_mistake_of_its_client(shop: Server, body: bytes) -> None:
    """The sum over a cursor has no secret in it: anybody can make one that is right, around anything."""
    said = json.dumps(sorted({"\0from": "", "\0to": "", "\0days": ""}.items())).encode()
    digest = blake2b(body + b"\0" + said, digest_size=12, person=b"otel-cost/cursor").digest()
    cursor = base64.urlsafe_b64encode(digest + body).decode().rstrip("=")
    assert problem(shop.http.get("/api/v1/costs/entries", params={"cursor": cursor}), 400)["field"] == "cursor"


def test_a_series_has_a_point_for_every_day_of_a_time_zone(shop: Server) -> None:
    """FEATURES B13, E10: daily costs for N days, also those without any."""
    found = get(
        shop, "/costs/timeseries", from_="2026-09-18", to="2026-09-22", timezone="Europe/Berlin", group_by="team"
    )
    points = found["total"]["points"]
    assert [point["from"] for point in points] == [f"2026-09-{day}T22:00:00Z" for day in (17, 18, 19, 20)]
    assert points[-1]["to"] == "2026-09-21T22:00:00Z"
    assert [dollars(point["cost"]) for point in points] == [0, 6, 30, 30]
    assert [point["calls"] for point in points] == [0, 2, 1, 4]
    assert points[-1]["unpriced_calls"] == 1
    teams = {group["key"]["team"]: group for group in found["groups"]}
    assert list(teams) == ["search", "support", ""]
    assert [dollars(point["cost"]) for point in teams["support"]["points"]] == [0, 0, 30, 0]
    assert all(len(group["points"]) == 4 for group in found["groups"])
    assert sum(nano(group["cost"]) for group in found["groups"]) == nano(found["total"]["cost"])


@pytest.mark.parametrize(
    ("interval", "parts"),
    [("hour", 24 * 30), ("day", 30), ("week", 5), ("month", 1)],
)
def test_parts_are_those_of_the_calendar(shop: Server, interval: str, parts: int) -> None:
    found = get(shop, "/costs/timeseries", from_="2026-09-01", to="2026-10-01", interval=interval)
    assert len(found["total"]["points"]) == parts
    assert dollars(found["total"]["cost"]) == 66
    edges = [point["from"] for point in found["total"]["points"]]
    assert edges[1:] == [point["to"] for point in found["total"]["points"]][:-1]


def test_an_hour_that_clocks_repeat_is_two(shop: Server) -> None:
    day = get(shop, "/costs/timeseries", from_="2026-10-25", to="2026-10-26", interval="hour", timezone="Europe/Berlin")
    assert len(day["total"]["points"]) == 25


def test_groups_beyond_the_limit_are_in_the_total(shop: Server) -> None:
    found = get(shop, "/costs/timeseries", group_by="team", limit=1)
    assert ([group["key"]["team"] for group in found["groups"]], found["groups_left_out"]) == (["search"], 2)
    assert dollars(found["total"]["cost"]) == 66


def test_a_breakdown_has_shares(shop: Server) -> None:
    """FEATURES A4, B13, E10: by any field or label."""
    found = get(shop, "/costs/breakdown/team")
    assert [(one["value"], dollars(one["cost"]), one["share"]) for one in found["slices"]] == [
        ("search", 34, "0.5152"), ("support", 30, "0.4545"), ("", 2, "0.0303"),
    ]  # fmt: skip
    assert dollars(found["total"]["cost"]) == 66
    assert found["left_out"] == 0
    assert get(shop, "/costs/breakdown/team", limit=1)["left_out"] == 2
    assert [one["value"] for one in get(shop, "/costs/breakdown/label.color")["slices"]] == ["", "=red()"]
    assert get(shop, "/costs/breakdown/operation", team="support")["slices"][0]["share"] == "1.0000"


def test_top_sessions_and_users(shop: Server) -> None:
    """FEATURES B6, B13: who costs most, of whole days."""
    sessions = get(shop, "/costs/top/session")
    assert [(one["value"], dollars(one["cost"]), one["calls"]) for one in sessions["slices"]] == [
        ("s1", 30, 2), ("s2", 30, 1),
    ]  # fmt: skip
    assert (sessions["from"], sessions["to"]) == ("2026-09-14T00:00:00Z", "2026-09-22T00:00:00Z")
    assert sessions["slices"][0]["last"] == "2026-09-21T13:13:20Z"
    assert [one["value"] for one in get(shop, "/costs/top/user", limit=1)["slices"]] in (["ada"], ["bob"])
    assert len(get(shop, "/costs/top/trace", limit=2)["slices"]) == 2
    assert [one["value"] for one in get(shop, "/costs/top/execution", days=40)["slices"]] == ["run-1", "run-2"]


def test_a_breakdown_by_entity_answers_what_no_sums_are_kept_for(shop: Server) -> None:
    by_label = get(shop, "/costs/breakdown/session", user="ada")
    assert [(one["value"], dollars(one["cost"])) for one in by_label["slices"]] == [("s1", 30)]
    kept = get(shop, "/costs/breakdown/session", team="search")
    assert [(one["value"], dollars(one["cost"])) for one in kept["slices"]] == [("s1", 30)]
    assert problem(shop.http.get("/api/v1/costs/breakdown/trace?user=ada"), 400)["field"] == "user"


def test_statistics_by_model(shop: Server) -> None:
    """FEATURES C12: calls, errors, tokens, percentiles."""
    found = get(shop, "/costs/stats")
    group = next(one for one in found["groups"] if one["key"]["model"] == "gpt-5-2025-08-07")
    assert (group["calls"], group["errors"], group["error_rate"]) == (4, 1, "0.2500")
    assert (dollars(group["cost"]), dollars(group["mean_cost"])) == (60, 15)
    assert group["duration_s"]["p50"] == pytest.approx(2, rel=0.05) or group["duration_s"]["p50"] == pytest.approx(
        3, rel=0.05
    )
    assert group["duration_s"]["p99"] == pytest.approx(8, rel=0.05)
    assert dollars(group["cost_per_call"]["p99"]) == pytest.approx(30, rel=0.05)
    assert {one["key"]["agent"] for one in get(shop, "/costs/stats", group_by="agent")["groups"]} == {"writer", ""}


def test_unpriced_and_disagreements(shop: Server) -> None:
    """FEATURES D6: what has no price is said, and what to do."""
    unpriced = get(shop, "/costs/unpriced")
    assert (unpriced["calls"], unpriced["unpriced"][0]["model"]) == (1, "unheard-of")
    assert "OTEL_COST_PRICES" in unpriced["unpriced"][0]["advice"]
    found = get(shop, "/costs/disagreements")
    (one,) = found["disagreements"]
    assert (one["source"], dollars(one["stated"]), dollars(one["against"])) == ("openlit", 2, 1)
    assert get(shop, "/costs/disagreements", team="support")["compared"] == 0


# --- files ------------------------------------------------------------------------------------------------------------


def test_an_export_for_spreadsheets_has_no_formulas(shop: Server) -> None:
    """FEATURES A12, B9: the period as a file."""
    answer = shop.http.get("/api/v1/costs/export", params={"days": 10})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="otel-cost-2026-09-11.csv"'
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert tuple(header) == COLUMNS
    assert len(rows) == 7
    assert sum(float(row[COLUMNS.index("usd")]) for row in rows) == 66
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")]
    labels = [json.loads(row[COLUMNS.index("labels")]) for row in rows]
    assert {"team": "search", "color": "=red()"} in labels


@pytest.mark.parametrize("style", ["json", "jsonl"])
def test_an_export_for_programs_is_the_entries(shop: Server, style: str) -> None:
    text = shop.http.get("/api/v1/costs/export", params={"format": style, "team": "search"}).text
    found = json.loads(text) if style == "json" else [json.loads(line) for line in text.splitlines()]
    assert found == get(shop, "/costs/entries", team="search")["entries"]
    empty = shop.http.get("/api/v1/costs/export", params={"format": style, "team": "nobody"}).text
    assert empty == ("[]\n" if style == "json" else "")


# --- what is asked wrongly --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/costs/entries?limit=0", "limit"),
        ("/costs/entries?limit=1001", "limit"),
        ("/costs/entries?tema=x", "tema"),
        ("/costs/entries?team=a%00b", "team"),
        (f"/costs/entries?team={'x' * 1025}", "team"),
        ("/costs/entries?group_by=team", "group_by"),
        ("/costs/timeseries?interval=minute", "interval"),
        ("/costs/timeseries?interval=hour&days=300", "interval"),
        ("/costs/timeseries?timezone=Mars/Olympus", "timezone"),
        ("/costs/timeseries?timezone=../../etc/passwd", "timezone"),
        ("/costs/timeseries?group_by=colour", "group_by"),
        ("/costs/timeseries?from=2026-02-01&to=2026-01-01", "from"),
        ("/costs/timeseries?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/costs/breakdown/colour", "dimension"),
        ("/costs/top/colour", "kind"),
        ("/costs/top/team?limit=0", "limit"),
        ("/costs/stats?group_by=", "group_by"),
        ("/costs/stats?group_by=user", "user"),
        ("/costs/stats?user=ada", "user"),
        ("/costs/unpriced?as_of=yesterday", "as_of"),
        ("/costs/export?format=xls", "format"),
        ("/costs/export?to=never", "to"),
        ("/costs/disagreements?all=perhaps", "all"),
        ("/traces/xyz/costs", "trace_id"),
        ("/executions/run-1/costs?team=search", "team"),
        ("/workspaces/acme/costs?period=year", "period"),
        ("/workspaces/acme/costs?at=soon", "at"),
        ("/workspaces/acme/costs?timezone=", "timezone"),
        ("/workspaces/a%00b/costs", "id"),
        ("/prices?at=9999-01-01", "at"),
        ("/prices?modell=x", "modell"),
        ("/dashboard?limit=99", "limit"),
        ("/alerts?state=open", "state"),
        ("/budgets?name=x", "name"),
        ("/budgets/team-month/status?value=a&value=b", "value"),
        ("/budgets/all-day/status?value=a", "value"),
        ("/audit?limit=x", "limit"),
        ("/audit?budget=a%00b", "budget"),
        ("/alerts?budget=a%00b", "budget"),
    ],
)
def test_a_wrong_parameter_is_named(shop: Server, path: str, field: str) -> None:
    assert problem(shop.http.get(f"/api/v1{path}"), 400)["field"] == field

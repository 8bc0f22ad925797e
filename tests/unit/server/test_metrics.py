from __future__ import annotations

from dataclasses import replace

from otel_cost import shield
from otel_cost.label_bounds import MAX_SERIES
from otel_cost.ledger import Entry, EntryKind
from otel_cost.ledger.posting import Posting
from otel_cost.model import CostRecord, Reason, Void
from otel_cost.server.metrics import BookMetrics
from tests.contract.ledger.books import again, priced, record, unpriced


def _sample(metrics: BookMetrics, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def _entries(*records: CostRecord, voids: tuple[Void, ...] = ()) -> tuple[Entry, ...]:
    posting = Posting({})
    posting.take_all(records, voids)
    return posting.written.entries


def test_sums_do_not_drift() -> None:
    metrics = BookMetrics(("team",), 100)
    for number in range(10_000):
        metrics.book(_entries(record(number, priced(100_000_001))))
    assert _sample(metrics, "otel_cost_book_spend_usd_total", team="search") == 10_000 * 100_000_001 / 10**9


def test_a_price_that_comes_later_is_spend_and_nothing_is_voided() -> None:
    metrics = BookMetrics((), 100)
    first = record(1, unpriced())
    metrics.book(_entries(first, again(first, priced(500))))
    assert _sample(metrics, "otel_cost_book_spend_usd_total") == 500 / 10**9
    assert _sample(metrics, "otel_cost_book_voided_usd_total") == 0
    assert _sample(metrics, "otel_cost_book_tokens_total", token_type="input") == 100
    assert _sample(metrics, "otel_cost_book_operations_total", status="unpriced", entry="charge") == 1
    assert _sample(metrics, "otel_cost_book_operations_total", status="priced", entry="correction") == 1
    assert _sample(metrics, "otel_cost_book_operations_total") == 2


def test_what_a_void_takes_back_is_counted_apart() -> None:
    metrics = BookMetrics((), 100)
    metrics.book(_entries(record(1), record(2)))
    posting = _entries(record(1), voids=(Void(record(1).key, Reason.SAME_CALL, ""),))
    metrics.book([entry for entry in posting if entry.kind is EntryKind.VOID])
    assert _sample(metrics, "otel_cost_book_spend_usd_total") == 2000 / 10**9
    assert _sample(metrics, "otel_cost_book_voided_usd_total") == 1000 / 10**9


def test_tokens_are_split_as_the_apps_own_counter_splits_them() -> None:
    metrics = BookMetrics((), 100)
    (entry,) = _entries(record(1))
    counts = {
        "input_tokens": 100, "cache_read_tokens": 60, "cache_write_tokens": 10,
        "output_tokens": 50, "output_reasoning_tokens": 20,
    }  # fmt: skip
    metrics.book([replace(entry, usage=counts)])
    types = ("input", "cache_read", "cache_write", "output", "reasoning")
    assert [_sample(metrics, "otel_cost_book_tokens_total", token_type=each) for each in types] == [30, 60, 10, 30, 20]


def test_values_past_the_bound_become_other_and_are_counted() -> None:
    metrics = BookMetrics(("team",), 3)
    metrics.book(_entries(*(record(number, team=f"team-{number}") for number in range(5))))
    assert _sample(metrics, "otel_cost_book_spend_usd_total", team="other") == 2000 / 10**9
    assert _sample(metrics, "otel_cost_labels_overflow_total", label="team") == 2


def test_series_are_bounded_and_no_dollar_is_left_out() -> None:
    metrics = BookMetrics(("team", "project"), 1000)
    count = MAX_SERIES + 50
    batch = [record(n, team=f"t{n % 700}", project=f"p{n % 701}") for n in range(count)]
    metrics.book(_entries(*batch))
    (family,) = (found for found in metrics.collect() if found.name == "otel_cost_book_spend_usd")
    assert len(family.samples) == MAX_SERIES + 1
    assert round(sum(sample.value for sample in family.samples) * 10**9) == count * 1000


def test_faults_are_shown_by_site() -> None:
    shield.set_strict(False)
    metrics = BookMetrics((), 100)
    before = _sample(metrics, "otel_cost_errors_total", site="test.metrics")
    shield.run("test.metrics", None, int, "x")
    assert _sample(metrics, "otel_cost_errors_total", site="test.metrics") == before + 1

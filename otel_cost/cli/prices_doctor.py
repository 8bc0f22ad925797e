"""What ``otel-cost prices doctor`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.table import Table

from otel_cost.cli.output import console, printable
from otel_cost.cli.prices_output import dump
from otel_cost.pricing import Catalog
from otel_cost.pricing.doctor import Examination, Finding, Remark
from otel_cost.pricing.listing import usd_text
from otel_cost.pricing.providers import canonical

if TYPE_CHECKING:
    from otel_cost.ledger.questions import Unpriced

_SHOWN_OF_EACH: Final = 5


def of_provider(found: Examination, provider: str) -> tuple[Remark, ...]:
    """The remarks about one provider; "" is any."""
    return tuple(remark for remark in found.remarks if not provider or remark.provider == canonical(provider))


def unpriced_in(database: str) -> tuple[Unpriced, ...]:
    """The calls without a price in a ledger."""
    from otel_cost.ledger.base import MAX_STORED
    from otel_cost.ledger.opening import open_ledger
    from otel_cost.ledger.questions import SummaryQuery

    with open_ledger(database, create=False) as ledger:
        return ledger.unpriced(SummaryQuery(0, MAX_STORED))


def as_table(
    catalog: Catalog, found: Examination, remarks: Sequence[Remark], unpriced: Sequence[Unpriced], everything: bool
) -> None:
    out = console()
    for finding in Finding:
        some = [remark for remark in remarks if remark.finding is finding]
        if some:
            out.print(f"{finding}: {len(some)}")
            out.print(_remarks_table(some, everything))
    for calls in unpriced:
        text = f"{calls.provider}/{calls.model}: {calls.operations} calls, {calls.reason} {calls.detail}"
        out.print(f"unpriced: {printable(text)}")
    if not remarks and not unpriced:
        out.print("nothing to remark")
    if found.compared:
        foreign = f"; {found.foreign} of providers that are not known here were left out" if found.foreign else ""
        out.print(f"{found.compared} prices compared, {found.agreed} agree{foreign}")
    out.print(f"catalog: {catalog.version}")


def as_json(catalog: Catalog, found: Examination, remarks: Sequence[Remark], unpriced: Sequence[Unpriced]) -> None:
    dump(
        {
            "catalog": catalog.version,
            "compared": found.compared,
            "agreed": found.agreed,
            "of_unknown_providers": found.foreign,
            "remarks": [_remark_json(remark) for remark in remarks],
            "unpriced": [
                {
                    "provider": calls.provider,
                    "model": calls.model,
                    "reason": calls.reason,
                    "detail": calls.detail,
                    "calls": calls.operations,
                }
                for calls in unpriced
            ],
        }
    )


def _remarks_table(remarks: Sequence[Remark], everything: bool) -> Table:
    table = Table("provider", "model", "tier")
    table.add_column("remark", overflow="fold")
    many = Counter(remark.provider for remark in remarks)
    told: Counter[str] = Counter()
    for remark in sorted(remarks, key=lambda remark: remark.provider):
        told[remark.provider] += 1
        if everything or told[remark.provider] <= _SHOWN_OF_EACH:
            table.add_row(*map(printable, (remark.provider, remark.model)), remark.service_tier, printable(remark.text))
        elif told[remark.provider] == _SHOWN_OF_EACH + 1:
            more = many[remark.provider] - _SHOWN_OF_EACH
            table.add_row(remark.provider, "...", "", f"{more} more: --all, or --provider {remark.provider}")
    return table


def _remark_json(remark: Remark) -> dict[str, object]:
    rates = {"ours": remark.ours, "theirs": remark.theirs}
    return {
        "finding": remark.finding.value,
        "provider": remark.provider,
        "model": remark.model,
        "service_tier": remark.service_tier,
        "unit": remark.unit,
        "above": remark.above,
        **{name: usd_text(rate) if rate is not None else None for name, rate in rates.items()},
        "text": remark.text,
    }

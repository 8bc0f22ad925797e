"""``GET /api/v1/prices``: what calls cost now, or cost then."""

from __future__ import annotations

import fnmatch
from functools import lru_cache
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query
from starlette.exceptions import HTTPException

from otel_cost.ledger.asking import instant_ns, iso
from otel_cost.pricing import Catalog, PriceQuery, Pricer
from otel_cost.pricing.listing import Listed, listed, shown
from otel_cost.pricing.providers import canonical
from otel_cost.server.access import Access, Role
from otel_cost.server.parameters import Words, checked, only_own
from otel_cost.server.problems import described
from otel_cost.server.schemas.prices import PriceList, PriceOf, PriceShown

_At = Annotated[
    str | None, Query(max_length=64, description="Prices of that time: ISO 8601, UTC; now if absent",
                      examples=["2026-01-31"]),
]  # fmt: skip
_Provider = Annotated[str, Query(max_length=256, description="Any of its names", examples=["openai"])]
_Model = Annotated[str, Query(max_length=256, description="A pattern: * ? [..]", examples=["gpt-4o*"])]
_Own = Annotated[bool, Query(description="Only prices of your own, and the packaged supplement", examples=[True])]
_Limit = Annotated[int, Query(ge=1, le=10_000, description="Models at most", examples=[100])]
_ProviderPath = Annotated[str, Path(alias="provider", max_length=256, examples=["openai"])]
_ModelPath = Annotated[str, Path(alias="model", max_length=256, description="It may have slashes", examples=["gpt-4o"])]
_Tier = Annotated[str, Query(max_length=64, description="Service tier: batch, flex, priority", examples=["batch"])]
_Host = Annotated[
    str,
    Query(
        max_length=256, description="Host that is called, where that decides who is paid", examples=["openrouter.ai"]
    ),
]

_MINUTE_NS: Final = 60 * 10**9


def router(pricer: Pricer, words: Words, access: Access) -> APIRouter:
    needs = [Depends(access.needs(Role.VIEWER)), Depends(only_own)]
    routes = APIRouter(prefix="/api/v1/prices", tags=["prices"], dependencies=needs, responses=described())

    def at_ns(text: str | None) -> int:
        return words.clock() if text is None else checked("at", instant_ns, text)

    @routes.get("", summary="Prices of all models")
    def list_prices(
        provider: _Provider = "", model: _Model = "*", own: _Own = False, at: _At = None, limit: _Limit = 1000
    ) -> PriceList:
        """Every model with its price at the standard service tier, under the overlays of the server's settings: rates
        by unit, since when, the context window, and where the price is from."""
        catalog, when = _catalog(pricer), words.clock() // _MINUTE_NS * _MINUTE_NS if at is None else at_ns(at)
        named = canonical((catalog.snapshot.provider_named(provider) or provider) if provider else "")
        found = [row for row in _listed(catalog, when) if _fits(row, model, named, own=own)]
        found.sort(key=lambda row: (row.provider, row.model))
        return PriceList(
            at=iso(when),
            catalog=catalog.version,
            models=[PriceOf.of(row) for row in found[:limit]],
            models_left_out=max(0, len(found) - limit),
        )

    @routes.get("/{provider}/{model:path}", summary="The price of one model", responses=described(404))
    def get_price(
        provider: _ProviderPath, model: _ModelPath, tier: _Tier = "", host: _Host = "", at: _At = None
    ) -> PriceShown:
        """All about one model: its price, those of other service tiers, and what it cost before. 404 where it has no
        price, with the reason."""
        catalog = _catalog(pricer)
        found = shown(catalog, PriceQuery(provider, model, at_ns(at), tier, host))
        if found.price is None:
            why = found.unpriced
            raise HTTPException(404, f"{why.reason}: {why.detail}" if why is not None else "it has no price")
        return PriceShown.of_model(found, found.price, catalog.version)

    return routes


def _catalog(pricer: Pricer) -> Catalog:
    catalog = pricer.catalog()
    if catalog is None:
        raise HTTPException(503, "the prices could not be loaded; the server's log says why")
    return catalog


@lru_cache(maxsize=4)
def _listed(catalog: Catalog, at_ns: int) -> tuple[Listed, ...]:
    # Some thousand models are looked up for it: as long as many calls take to be booked.
    return tuple(listed(catalog, at_ns))


def _fits(row: Listed, pattern: str, provider: str, *, own: bool) -> bool:
    return (
        fnmatch.fnmatchcase(row.model.lower(), pattern.lower())
        and (not provider or canonical(row.provider) == provider)
        and (not own or row.source in ("overlay", "supplement"))
    )

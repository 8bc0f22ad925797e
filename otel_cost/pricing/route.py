"""Who is paid for a call, as far as its span tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from otel_cost.pricing.providers import SPOKEN_BY_OTHERS, canonical, plain

Pairs = list[tuple[frozenset[str] | None, str]]
"""What overlays may call the provider and the model; no names: any provider, so that the model alone decides."""


@dataclass(frozen=True, slots=True)
class Route:
    """Who is paid, as far as provider name and host tell.

    ``seller`` is a snapshot id; ``own_name`` a name that the snapshot does not know; ``written`` the span's own word,
    and ``believed`` whether it, and not the host, says who that is.
    """

    seller: str | None
    own_name: str
    host: str
    host_known: bool
    written: str
    believed: bool = True

    @property
    def label(self) -> str:
        return self.seller or self.written

    def may_be(self, prefixed: str) -> bool:
        """Whether a ``provider/model`` string can say that ``prefixed`` is paid.

        A gateway is called through another provider's SDK at a host that nobody knows; a known host is believed.
        """
        if self.seller is None:
            return not self.own_name
        return self.seller == prefixed or (self.seller in SPOKEN_BY_OTHERS and not self.host_known)

    def overlay_names(self, ref: str, sellers: Iterable[tuple[str, str]]) -> Pairs:
        """The names by which overlays may mean a call of ``ref``."""
        pairs: Pairs = [(self._names(seller), name) for seller, own in sellers for name in dict.fromkeys((own, ref))]
        if pairs:
            return pairs
        prefix, slash, rest = ref.partition("/")
        prefixed: Pairs = [(self._names(prefix), rest)] if slash and not self.own_name else []
        return [(self._names("") or None, ref), *prefixed]

    def advised_names(self, ref: str) -> Pairs:
        """The span's own word for the provider, also where the host says otherwise: it is what the log and the report
        tell people to write into their file."""
        return [(frozenset({canonical(self.written)}), ref)] if self.written else []

    def _names(self, seller: str) -> frozenset[str]:
        word = self.written if self.believed and self.seller == seller else ""
        names = {canonical(name) for name in (seller, self.own_name, word) if name}
        return frozenset(names | ({plain(self.host)} if self.host else set[str]()))

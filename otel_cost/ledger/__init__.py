"""The book: what was charged, taken back and corrected, in rows that are never edited.

``otel_cost.ledger.base`` is the narrow interface; ``otel_cost.ledger.sql`` keeps it in SQLite or PostgreSQL. Importing
this package imports no database library.
"""

from __future__ import annotations

from otel_cost.ledger.base import Correction, Entry, EntryKind, Ledger, Standing, Written
from otel_cost.ledger.questions import (
    BookedCall,
    CallQuery,
    Disagreement,
    Distribution,
    EntitySums,
    SeriesRow,
    Summary,
    SummaryQuery,
    SummaryRow,
    Unpriced,
    Used,
)

__all__ = [
    "BookedCall",
    "CallQuery",
    "Correction",
    "Disagreement",
    "Distribution",
    "EntitySums",
    "Entry",
    "EntryKind",
    "Ledger",
    "SeriesRow",
    "Standing",
    "Summary",
    "SummaryQuery",
    "SummaryRow",
    "Unpriced",
    "Used",
    "Written",
]

"""How the book's tables came to be, release by release. Run by ``otel_cost.ledger.upgrading`` alone.

What a revision says is never changed once it was released: books were made by it.
"""

from __future__ import annotations

from typing import Final

VERSION_TABLE: Final = "ledger_version"
"""Not Alembic's own name for it: the database may be an application's as well."""

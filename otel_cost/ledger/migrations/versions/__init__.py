"""One module a revision, found by Alembic."""

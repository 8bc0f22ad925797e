"""``otel-cost keys``, and what ``serve`` asks for before it listens beyond this machine. FEATURES B15, C13, E11."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from otel_cost.cli import main
from otel_cost.ledger import audit
from otel_cost.ledger.sql import open_ledger


@pytest.fixture
def db(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'book.db'}"


def _run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, arguments, env=env)


def _made(db: str, *arguments: str) -> dict[str, Any]:
    done = _run("keys", "create", "app", "--db", db, "--format", "json", "--actor", "ada", *arguments)
    assert done.exit_code == 0, done.output
    made: dict[str, Any] = json.loads(done.output)
    return made


def _listed(db: str, *arguments: str) -> list[dict[str, Any]]:
    done = _run("keys", "list", "--db", db, "--format", "json", *arguments)
    assert done.exit_code == 0, done.output
    keys: list[dict[str, Any]] = json.loads(done.output)["keys"]
    return keys


def test_a_key_is_shown_once(db: str) -> None:
    done = _run(
        "keys", "create", "search, production", "--role", "ingest", "--scope", "team=search",
        "--scope", "environment=production", "--expires", "90d", "--db", db,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (text,) = re.findall(r"^  (otc_[0-9a-f]{12}_[0-9a-f]{64})$", done.output, re.MULTILINE)
    assert "ingest, only team=search, environment=production, until 20" in done.output
    assert "OTEL_EXPORTER_OTLP_HEADERS" in done.output
    listed = _run("keys", "list", "--db", db)
    assert text.split("_")[1] in listed.output
    assert text not in listed.output
    assert text not in _run("keys", "list", "--db", db, "--format", "json").output


def test_made_rotated_and_revoked(db: str) -> None:
    first = _made(db, "--role", "viewer")
    done = _run("keys", "rotate", first["id"], "--grace", "0s", "--db", db, "--format", "json", "--actor", "bob")
    second = json.loads(done.output)
    assert second["key"].startswith("otc_")
    assert [key["id"] for key in _listed(db)] == [second["id"]]
    assert {key["id"]: key["state"] for key in _listed(db, "--all")} == {first["id"]: "expired", second["id"]: "valid"}
    revoked = _run("keys", "revoke", second["id"], "--db", db, "--actor", "eve")
    assert f"Revoked {second['id']} (app)" in revoked.output
    assert _listed(db) == []
    assert "There is no key" in _run("keys", "list", "--db", db).output
    with open_ledger(db) as ledger:
        done_by = [(entry.action, entry.actor) for entry in audit.newest(ledger)]
    assert done_by == [("key.revoked", "eve"), ("key.rotated", "bob"), ("key.created", "ada")]


def test_rotating_says_when_the_old_one_ends(db: str) -> None:
    first = _made(db, "--role", "viewer")
    done = _run("keys", "rotate", first["id"], "--db", db)
    assert re.search(rf"The old one, {first['id']}, ends 20\S+Z\.", done.output), done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "x"), "Missing option '--role'"),
        (("create", "x", "--role", "root"), "'root' is not one of"),
        (("create", "", "--role", "viewer"), "1 to 200 printable"),
        (("create", "x", "--role", "viewer", "--scope", "team"), "has no '='"),
        (("create", "x", "--role", "viewer", "--scope", "user=ada"), "cannot be bound to 'user'; allowed: service"),
        (("create", "x", "--role", "viewer", "--scope", "team=a", "--scope", "team=b"), "given twice"),
        (("create", "x", "--role", "admin", "--scope", "team=a"), "an admin key has no scope"),
        (("create", "x", "--role", "viewer", "--expires", "soon"), "is not a duration"),
        (("revoke", "absent"), "there is no key 'absent'"),
        (("rotate", "absent"), "there is no valid key 'absent'"),
        (("rotate", "absent", "--grace", "never"), "is not a duration"),
    ],
)
def test_what_is_wrong_is_said(db: str, arguments: tuple[str, ...], says: str) -> None:
    _made(db, "--role", "viewer")
    done = _run("keys", *arguments, "--db", db)
    assert done.exit_code == 2, done.output
    assert says in done.output
    assert len(_listed(db, "--all")) == 1


def test_only_making_a_key_makes_a_book(tmp_path: Path) -> None:
    for command in (("list",), ("revoke", "x"), ("rotate", "x")):
        done = _run("keys", *command, "--db", f"sqlite:///{tmp_path / 'mistyped.db'}")
        assert done.exit_code == 2
        assert "there is no book at" in done.output
    assert list(tmp_path.iterdir()) == []


class _Listened(Exception):
    pass


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step after the check: no test listens on an address that others reach."""

    def listen(_host: str, _port: int) -> None:
        raise _Listened

    monkeypatch.setattr("otel_cost.cli.serve._listen", listen)


@pytest.mark.usefixtures("listening")
def test_serve_listens_elsewhere_once_there_is_a_key(db: str) -> None:
    command = ("serve", "--host", "0.0.0.0", "--db", db)
    for _ in range(2):
        refused = _run(*command)
        assert refused.exit_code == 2
        assert "without access keys" in refused.output
        assert "otel-cost keys create NAME --role admin" in refused.output
        open_ledger(db).close()  # a book without keys is refused as well as none
    made = _made(db, "--role", "admin")
    assert isinstance(_run(*command).exception, _Listened)
    _run("keys", "revoke", made["id"], "--db", db)
    assert isinstance(_run(*command).exception, _Listened), "closed to all of them, until there is another key"


@pytest.mark.usefixtures("listening")
def test_the_key_of_the_settings_does_as_well(db: str) -> None:
    done = _run("serve", "--host", "::", "--db", db, OTEL_COST_SERVER_KEY="k" * 16)
    assert isinstance(done.exception, _Listened)

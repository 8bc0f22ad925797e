"""Access keys: how they look, what is kept of them, and who may what. FEATURES B15, C13, E11."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_cost.ledger import audit
from otel_cost.ledger.keys import USED_EVERY_NS, AccessKeys, StoredKey
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.server import keys as making
from otel_cost.server.keys import Wanted
from otel_cost.server.roles import Principal, Role

NOW = 1_790_000_000 * 10**9
DAY = 86_400 * 10**9
SEARCH = Wanted("search", Role.INGEST, {"team": "search"}, 90 * 86_400.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as opened:
        yield opened


@pytest.fixture
def keys(ledger: SqlLedger) -> AccessKeys:
    return AccessKeys(ledger)


def test_a_key_has_a_prefix_an_id_and_256_random_bits(keys: AccessKeys) -> None:
    made = [making.issue(keys, SEARCH, actor="me", now_ns=NOW) for _ in range(20)]
    assert all(re.fullmatch(r"otc_[0-9a-f]{12}_[0-9a-f]{64}", one.text) for one in made)
    assert len({one.text for one in made}) == len({one.key.id for one in made}) == 20
    assert making.id_of(made[0].text) == made[0].key.id
    for wrong in ("", "otc_", made[0].text + "0", made[0].text.upper(), " " + made[0].text, "otc_\0_" + "0" * 64):
        assert making.id_of(wrong) == ""


def test_only_a_hash_is_kept(keys: AccessKeys, ledger: SqlLedger, tmp_path: Path) -> None:
    issued = making.issue(keys, SEARCH, actor="me", now_ns=NOW)
    secret = issued.text.rpartition("_")[2]
    kept = keys.find(issued.key.id)
    assert kept == issued.key
    assert kept is not None
    assert kept.hash == hashlib.sha256(issued.text.encode()).hexdigest()
    ledger.close()
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes(), file


def test_it_is_told_by_a_comparison_of_constant_time(keys: AccessKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """By structure: one comparison of whole digests, also where there is no key of that id."""
    issued = making.issue(keys, SEARCH, actor="me", now_ns=NOW)
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    right, wrong = making.digest(issued.text), making.digest(issued.text[:-1])
    assert making.is_it(issued.key, right)
    assert not making.is_it(issued.key, wrong)
    assert not making.is_it(None, right)
    assert not making.is_it(None, "0" * 64)
    assert [len(one) for pair in compared for one in pair] == [64] * 8


@pytest.mark.parametrize(
    ("name", "role", "scope", "says"),
    [
        ("", Role.VIEWER, {}, "1 to 200 printable"),
        (" ", Role.VIEWER, {}, "1 to 200 printable"),
        ("a\x1b[2Jb", Role.VIEWER, {}, "1 to 200 printable"),
        ("x" * 201, Role.VIEWER, {}, "1 to 200 printable"),
        ("x", Role.VIEWER, {"model": "gpt-4o"}, "cannot be bound to 'model'; allowed: service, environment"),
        ("x", Role.VIEWER, {"user": "ada"}, "cannot be bound to 'user'"),
        ("x", Role.VIEWER, {"team": ""}, "the value of team"),
        ("x", Role.VIEWER, {"team": "a\0"}, "the value of team"),
        ("x", Role.VIEWER, {"team": "x" * 257}, "the value of team"),
        ("x", Role.ADMIN, {"team": "search"}, "an admin key has no scope"),
    ],
)
def test_what_no_key_can_be(name: str, role: Role, scope: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Wanted(name, role, scope)


def test_times_of_life() -> None:
    assert making.lifetime_s("90d") == 90 * 86_400
    assert making.grace_s("0s") == 0
    for text in ("0d", "-1d", "4000d", "soon", ""):
        with pytest.raises(ValueError, match=r"duration|outside|longer"):
            making.lifetime_s(text)


def test_it_ends_when_it_expires_or_is_revoked(keys: AccessKeys) -> None:
    issued = making.issue(keys, Wanted("x", Role.VIEWER, expires_s=10.0), actor="me", now_ns=NOW)
    assert issued.key.expires_ns == NOW + 10 * 10**9
    assert issued.key.valid(NOW + 10 * 10**9 - 1)
    assert not issued.key.valid(NOW + 10 * 10**9)
    first = keys.revoke(issued.key.id, actor="me", now_ns=NOW + 5)
    again = keys.revoke(issued.key.id, actor="you", now_ns=NOW + 6)
    assert first == again
    assert first is not None
    assert not first.valid(NOW)
    assert keys.revoke("unknown\0", actor="me", now_ns=NOW) is None
    assert keys.any(), "the book stays closed when the last key is over"


def test_rotated_the_old_one_goes_on_for_a_while(keys: AccessKeys) -> None:
    old = making.issue(keys, SEARCH, actor="me", now_ns=NOW).key
    later = NOW + 80 * DAY
    new = making.rotate(keys, old.id, 86_400, actor="me", now_ns=later)
    assert new is not None
    assert (new.key.name, new.key.role, new.key.scope) == (old.name, old.role, old.scope)
    assert new.key.expires_ns == later + 90 * DAY, "as long as the old one was made for"
    ending = keys.find(old.id)
    assert ending is not None
    assert ending.expires_ns == later + DAY
    # Grace does not let it live longer than it would have.
    last = making.rotate(keys, old.id, 10 * 86_400, actor="me", now_ns=later + 1)
    assert last is not None
    ending = keys.find(old.id)
    assert ending is not None
    assert ending.expires_ns == later + DAY
    assert making.rotate(keys, old.id, 1, actor="me", now_ns=later + DAY) is None
    assert making.rotate(keys, "unknown", 1, actor="me", now_ns=later) is None


def test_all_of_it_is_in_the_audit_log(keys: AccessKeys, ledger: SqlLedger) -> None:
    old = making.issue(keys, SEARCH, actor="ada", now_ns=NOW).key
    new = making.rotate(keys, old.id, 0, actor="bob", now_ns=NOW + 1)
    assert new is not None
    keys.revoke(new.key.id, actor="eve", now_ns=NOW + 2)
    keys.revoke(new.key.id, actor="eve", now_ns=NOW + 3)
    log = audit.newest(ledger)
    assert [(one.at_ns, one.actor, one.action, one.target) for one in log] == [
        (NOW + 2, "eve", "key.revoked", new.key.id),
        (NOW + 1, "bob", "key.rotated", old.id),
        (NOW, "ada", "key.created", old.id),
    ]
    assert log[2].detail == {
        "name": "search", "role": "ingest", "scope": {"team": "search"}, "expires_ns": NOW + 90 * DAY,
    }  # fmt: skip
    assert log[1].detail["successor"] == new.key.id
    assert old.hash not in repr(log)
    assert audit.newest(ledger, before=log[0].id, limit=1) == [log[1]]


def test_when_it_was_used_is_written_once_a_minute(keys: AccessKeys) -> None:
    key_id = making.issue(keys, SEARCH, actor="me", now_ns=NOW).key.id

    def used(at_ns: int) -> int | None:
        keys.used(key_id, at_ns)
        found = keys.find(key_id)
        assert found is not None
        return found.last_used_ns

    assert used(NOW) == NOW
    assert used(NOW + USED_EVERY_NS - 1) == NOW, "another replica wrote it within the minute"
    assert used(NOW + USED_EVERY_NS) == NOW + USED_EVERY_NS
    assert used(NOW) == NOW + USED_EVERY_NS


def test_two_rotations_at_once_both_count(keys: AccessKeys) -> None:
    key_id = making.issue(keys, SEARCH, actor="me", now_ns=NOW).key.id
    threads = [
        threading.Thread(target=making.rotate, args=(keys, key_id, 60), kwargs={"actor": "me", "now_ns": NOW + 1})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys.all()) == 5


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.INGEST, {Role.INGEST}),
        (Role.VIEWER, {Role.VIEWER}),
        (Role.EDITOR, {Role.VIEWER, Role.EDITOR}),
        (Role.ADMIN, set(Role)),
    ],
)
def test_roles(role: Role, may: set[Role]) -> None:
    assert {needed for needed in Role if Principal("x", role).may(needed)} == may


def test_a_scope_narrows_what_is_asked() -> None:
    bound = Principal("x", Role.VIEWER, {"team": "search", "environment": "prod"})
    assert bound.within({"model": "gpt-4o"}) == {"model": "gpt-4o", "team": "search", "environment": "prod"}
    assert bound.within({"team": "search"}) == {"team": "search", "environment": "prod"}
    assert bound.within({"team": "chat"}) is None
    assert bound.within({"team": ""}) is None
    assert bound.sees({"team": "search", "environment": "prod", "user": "ada"})
    assert not bound.sees({"team": "search"})
    assert Principal("x", Role.VIEWER).within({"team": "chat"}) == {"team": "chat"}


def test_a_stored_key_without_a_scope_sees_everything() -> None:
    assert StoredKey("a", "b", "c", "viewer", NOW).scope == {}

"""What goes over HTTP between an app and the server's budget store arrives as it was."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores import wire
from otel_cost.budgets.stores.base import Control, Refused, RowState, Stale, Want

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # with surrogates that stand alone, and NUL
METHODS = sorted(wire.METHODS)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Every value of a type that a store's signature has."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(arg) for arg in args))
    if origin is tuple and args[-1] is not Ellipsis:
        return st.tuples(*(values(arg) for arg in args))
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is set:
        return st.sets(values(args[0]), max_size=3)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    if origin is not None and issubclass(origin, Collection):
        return st.lists(values(args[0]), max_size=3)
    simple: dict[object, st.SearchStrategy[Any]] = {
        str: ANY_TEXT,
        bool: st.booleans(),
        int: st.integers(-(2**64), 2**64),
        type(None): st.none(),
    }
    if kind in simple:
        return simple[kind]
    return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})


@pytest.mark.parametrize("name", METHODS)
@given(data=st.data())
def test_arguments_arrive_as_they_were(name: str, data: st.DataObject) -> None:
    method = wire.METHODS[name]
    said = {argument: data.draw(values(kind)) for argument, kind in method.takes.items()}
    assert wire.arguments_of(method, wire.call_body(said)) == said


@pytest.mark.parametrize("name", METHODS)
@given(data=st.data())
def test_results_arrive_as_they_were_and_of_the_same_type(name: str, data: st.DataObject) -> None:
    method = wire.METHODS[name]
    result = data.draw(values(method.gives))
    arrived = wire.result_of(method, wire.answer_body(result))
    assert arrived == result
    assert type(arrived) is type(result)  # a named tuple is equal to another one with the same fields


@pytest.mark.parametrize("name", METHODS)
@given(body=st.binary() | st.from_regex(r'\{"wire":1,"[a-z_]+":[\[\]{}"0-9a-z,:.-]*\}').map(str.encode))
def test_anything_else_is_told_apart_from_a_call(name: str, body: bytes) -> None:
    for read in (wire.arguments_of, wire.result_of):
        try:
            read(wire.METHODS[name], body)
        except wire.Malformed:
            continue
        # What is no error is a call: the methods that take nothing, or everything with a default.
        assert b'"wire"' in body


def test_two_surrogates_that_stand_alone_do_not_become_one_character() -> None:
    row = RowKey("b", (("team", "\ud83d\ude00\0"),), "")
    (arrived,) = wire.arguments_of(wire.METHODS["read"], wire.call_body({"rows": [row]}))["rows"]  # type: ignore[misc]
    assert arrived == row
    assert len(arrived.scope[0][1]) == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"wire":1,"rows":' + b"9" * 5000 + b"}", "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "versions differ"),
        (b'{"wire":2,"rows":[]}', "versions differ"),
        (b'{"wire":1}', "without rows"),
        (b'{"wire":1,"rows":{}}', "a list is expected"),
        (b'{"wire":1,"rows":[["b",[],""]]}', "a RowKey is expected"),
        (b'{"wire":1,"rows":[{"budget":"b","scope":[["team"]],"period":""}]}', "1 items where 2"),
        (b'{"wire":1,"rows":[{"budget":1,"scope":[],"period":""}]}', "str is expected"),
        (b'{"wire":1,"rows":[{"budget":"b","scope":[]}]}', "RowKey without period"),
    ],
)
def test_what_cannot_be_read_is_said(body: bytes, says: str) -> None:
    with pytest.raises(wire.Malformed, match=says):
        wire.arguments_of(wire.METHODS["read"], body)


@pytest.mark.parametrize("number", ["1.0", "1e3", "NaN", "Infinity", "true", '"1"', "null"])
def test_only_an_integer_is_an_amount(number: str) -> None:
    body = f'{{"wire":1,"alert_ids":[{number}]}}'.encode()
    with pytest.raises(wire.Malformed, match="int is expected"):
        wire.arguments_of(wire.METHODS["told"], body)


def test_a_field_that_is_not_known_is_passed_over_and_a_missing_one_has_its_default() -> None:
    row = '{"budget":"b","scope":[],"period":"","new":1}'
    said = f'{{"wire":1,"hold_id":"h","wants":[{{"row":{row},"amount_nano":3}}],"version":0,"now_ns":1,"expires_ns":2}}'
    arguments = wire.arguments_of(wire.METHODS["reserve"], said.encode())
    assert arguments["wants"] == [Want(RowKey("b", (), ""), 3)]


def test_the_outcomes_of_a_reservation_are_told_apart() -> None:
    state = RowState(RowKey("b", (), ""), 2**62)
    for outcome in (Refused(state), Stale(7)):
        arrived = wire.result_of(wire.METHODS["reserve"], wire.answer_body(outcome))
        assert type(arrived) is type(outcome)


def test_controls_by_scope() -> None:
    body = wire.answer_body((3, {("b", (("team", "x"),)): Control(amount_nano=5, action="block", paused=True)}))
    with pytest.raises(wire.Malformed, match="Controls is expected"):
        wire.result_of(wire.METHODS["controls"], body)

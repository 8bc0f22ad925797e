"""Files to rows: every shape, plain and gzip, broken in every way; flat in memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from otel_cost.importing.files import Row, RowFile, digest_of, parse


def _rows(path: Path, content: bytes) -> Sequence[Row]:
    path.write_bytes(content)
    with RowFile(path) as file:
        return list(file.rows())


def _values(rows: Sequence[Row]) -> list[object]:
    return [parse(row.value) if isinstance(row.value, bytes) else row.value for row in rows]


_THREE = [{"a": 1}, {"a": "é\n,]"}, {"a": {"b": [1, 2]}}]
_SHAPES = {
    "lines": "\n".join(json.dumps(one) for one in _THREE).encode() + b"\n",
    "lines without the last line feed": "\r\n\r\n".join(json.dumps(one) for one in _THREE).encode(),
    "with a byte order mark": b"\xef\xbb\xbf" + "\n".join(json.dumps(one) for one in _THREE).encode(),
    "array": json.dumps(_THREE).encode(),
    "array over several lines": json.dumps(_THREE, indent=2, ensure_ascii=False).encode(),
    "array with a byte order mark": b"\xef\xbb\xbf  " + json.dumps(_THREE).encode(),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", _SHAPES)
def test_every_shape_gives_the_same_rows(tmp_path: Path, shape: str, packed: bool) -> None:
    content = gzip.compress(_SHAPES[shape]) if packed else _SHAPES[shape]
    assert _values(_rows(tmp_path / "file", content)) == _THREE


def test_an_object_over_several_lines_is_one_row(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "file", json.dumps({"data": _THREE}, indent=2).encode())
    assert _values(rows) == [{"data": _THREE}]


def test_csv_has_a_row_for_each_line_and_says_which(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "file.csv", b'id,metadata\n1,"{""a"": 1}"\n2,"two\nlines"\n3\n4,x,y\n5,\n')
    assert [row.value for row in rows] == [
        {"id": "1", "metadata": '{"a": 1}'},
        {"id": "2", "metadata": "two\nlines"},
        None,
        None,
        {"id": "5", "metadata": ""},
    ]
    assert [row.place for row in rows] == [2, 4, 5, 6, 7]
    assert "2 cells" in rows[2].problem


def test_a_broken_line_costs_only_itself(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "file", b'{"a": 1}\n{"a": NaN}\n\xff\xfe\n[1]\n{"a": 2}\n{"a": ')
    assert [row.place for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.torn for row in rows] == [False] * 5 + [True]
    for row in (rows[1], rows[2], rows[5]):
        assert isinstance(row.value, bytes)
        with pytest.raises(ValueError, match=r"."):
            parse(row.value)


def test_numbers_are_what_was_written() -> None:
    assert parse('{"usd": 0.1, "big": 12345678901234567890, "e": 1e-7}') == {
        "usd": Decimal("0.1"),
        "big": 12345678901234567890,
        "e": Decimal("1E-7"),
    }


def test_depth_is_a_problem_and_no_crash() -> None:
    with pytest.raises(ValueError, match="deep"):
        parse("[" * 200_000)


@pytest.mark.parametrize(
    ("content", "known", "said"),
    [
        (b'[{"a": 1}, {"a": ]', 1, "where the next one begins"),
        (b'[{"a": 1}', 1, "does not end"),
        (b'[{"a": 1}, 7, {"a": 2}]', 2, "no JSON object"),
        (gzip.compress(b'{"a": 1}\n' * 9000)[:-20], 1, "any further"),
    ],
)
def test_a_damaged_file_says_what_it_still_had(tmp_path: Path, content: bytes, known: int, said: str) -> None:
    rows = _rows(tmp_path / "file", content)
    assert len([row for row in rows if row.value is not None]) >= known
    assert any(said in row.problem for row in rows)


def test_nothing_in_a_file_is_no_rows(tmp_path: Path) -> None:
    assert _rows(tmp_path / "file", b"") == []
    assert _rows(tmp_path / "file", b"[]") == []


@pytest.mark.parametrize("shape", ["lines", "array"])
def test_a_large_file_takes_no_memory(tmp_path: Path, shape: str) -> None:
    row = json.dumps({"a": "x" * 1000})
    text = "\n".join([row] * 20_000) if shape == "lines" else f"[{','.join([row] * 20_000)}]"
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(text.encode(), 1))
    tracemalloc.start()
    try:
        with RowFile(path) as file:
            assert sum(1 for _ in file.rows()) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000 < len(text) / 5


def test_what_was_read_can_be_recognised_later(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'{"a": 1}\n' * 50_000)
    with RowFile(path) as file:
        next(iter(file.rows()))
        done, digest = file.source.done, file.source.digest()
    assert 0 < done < path.stat().st_size
    assert digest_of(path, done) == digest
    path.write_bytes(b'{"a": 2}\n' * 50_000)
    assert digest_of(path, done) != digest

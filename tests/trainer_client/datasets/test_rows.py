"""Files are read a row at a time, and a fault names its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from trainer_client.datasets import DatasetError, Row, read_rows


def test_a_plain_and_a_gzipped_file_are_the_same(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_text('{"a": 1}\n\n{"a": 2}\n')
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    found = [[row.values for row in read_rows(path)] for path in (plain, packed)]
    assert found == [[{"a": 1}, {"a": 2}]] * 2


def test_rows_before_a_fault_are_given(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    rows = read_rows(path)
    assert next(rows).values == {"a": 1}
    with pytest.raises(DatasetError, match=r"a\.jsonl:2: not JSON"):
        next(rows)


@pytest.mark.parametrize("text", ["[1]\n", "7\n", "null\n"])
def test_a_row_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(DatasetError, match="must be an object"):
        list(read_rows(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.jsonl"):
        list(read_rows(tmp_path / "absent.jsonl"))


def test_a_gzip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 99)[:-9])
    with pytest.raises(DatasetError, match=r"a\.jsonl\.gz"):
        list(read_rows(path))


def test_text_of_a_python_literal_is_read_and_never_run() -> None:
    assert Row("r", {"a": "{'b': None}"}).inner("a").values == {"b": None}
    with pytest.raises(DatasetError, match="r: a: is neither"):
        Row("r", {"a": "{'b': len('x')}"}).inner("a")


def test_a_wrong_type_is_named() -> None:
    with pytest.raises(DatasetError, match="r: a: str is wanted, not int"):
        Row("r", {"a": 1}).text("a")

"""A pickle is read as text or refused; nothing in it ever runs."""

from __future__ import annotations

import base64
import os
import pickle
import zlib
from typing import Any

import pytest

from trainer_client.datasets import pickled
from trainer_client.datasets.pickled import NotPickledText, packed_text, unpickled_text


class Runs:
    """Its pickle makes a directory where it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("text", ["", "[]", "é\n\u4e2d", "x" * 300, "y" * 70_000])
def test_a_string_comes_back(protocol: int, text: str) -> None:
    assert unpickled_text(pickle.dumps(text, protocol)) == text


def test_a_call_is_not_made(tmp_path: Any) -> None:
    victim = tmp_path / "made"
    with pytest.raises(NotPickledText, match="opcode"):
        unpickled_text(pickle.dumps(Runs(str(victim))))
    assert not victim.exists()


@pytest.mark.parametrize("value", [7, None, b"x", ["a"], ("a", "b"), {"a": "b"}, len])
def test_anything_but_a_string_is_refused(value: object) -> None:
    with pytest.raises(NotPickledText):
        unpickled_text(pickle.dumps(value))


@pytest.mark.parametrize("broken", [b"", b"\x80", b"\x80\x04.", b"nonsense", pickle.dumps("abc")[:-2]])
def test_a_broken_pickle_is_refused(broken: bytes) -> None:
    with pytest.raises(NotPickledText):
        unpickled_text(broken)


def test_the_packed_form_comes_back() -> None:
    packed = base64.b64encode(zlib.compress(pickle.dumps('[{"input": "1"}]'))).decode()
    assert packed_text(packed) == '[{"input": "1"}]'


@pytest.mark.parametrize("packed", ["!", "AAAA", base64.b64encode(zlib.compress(b"x" * 99)[:-6]).decode()])
def test_a_broken_packing_is_refused(packed: str) -> None:
    with pytest.raises(NotPickledText):
        packed_text(packed)


def test_what_grows_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled, "MOST_BYTES", 1000)
    with pytest.raises(NotPickledText, match="1000"):
        packed_text(base64.b64encode(zlib.compress(pickle.dumps("x" * 5000))).decode())

"""Paths of files that come with a request."""

from __future__ import annotations

import pytest

from server.errors import ErrorCode, RequestError
from server.paths import check_paths, check_places


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", "a\0b", "a" * 256])
def test_what_no_file_below_the_working_directory_can_have_is_refused(path: str) -> None:
    with pytest.raises(RequestError, match="plain relative path") as caught:
        check_paths([path], "files")
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.field.startswith("files[")


@pytest.mark.parametrize("paths", [["a", "a/b"], ["a/b/c", "a"]])
def test_a_file_is_no_others_directory(paths: list[str]) -> None:
    with pytest.raises(RequestError, match="lies below 'a', which is a file"):
        check_places(paths, "files")


def test_files_beside_each_other_are_taken() -> None:
    check_places(["a", "b/c", "b/d", "é"], "files")

"""The corpus itself: enough programs, each named and each with its property."""

from __future__ import annotations

from tests.abuse.corpus import read


def test_each_program_has_a_name_of_its_own_and_says_what_it_shows() -> None:
    corpus = read()
    assert len(corpus) >= 150
    assert len({(abuse.language, abuse.name) for abuse in corpus}) == len(corpus)
    for abuse in corpus:
        assert abuse.fields["property"]
        assert len(abuse.outcomes("")) == 1 or abuse.fields["because"]

"""Tables and comparisons from samples."""

from __future__ import annotations

from dataclasses import replace

from trainer_client.evaluation.page import page, rows_of, text_table
from trainer_client.evaluation.results import compare, results_of
from trainer_client.evaluation.samples import Sample


def sample(question: str, index: int, reward: float | None, answer: str = "") -> Sample:
    status = "ACCEPTED" if reward else "WRONG_ANSWER" if reward is not None else "INTERNAL_ERROR"
    return Sample("b", question, index, "text", False, 10, reward, status, answer, "")


def group(question: str, *rewards: float | None) -> list[Sample]:
    return [sample(question, index, reward, str(reward)) for index, reward in enumerate(rewards)]


def test_a_table_of_one_benchmark():
    (result,) = results_of([*group("x", 1.0, 0.0), *group("y", 1.0, 1.0)])
    assert (result.problems, result.k, result.average.value) == (2, 2, 0.75)
    assert result.pass_at[2].value == 1.0
    assert result.tokens == 10


def test_what_was_not_judged_is_in_no_figure():
    (result,) = results_of([*group("x", 1.0, None, 1.0), *group("y", None)])
    assert (result.average.value, result.k, result.unjudged, result.unanswered) == (1.0, 2, 2, 1)


def test_of_a_sample_that_was_written_twice_the_last_counts():
    (result,) = results_of([sample("x", 0, None), sample("x", 1, 1.0), sample("x", 0, 1.0)])
    assert (result.k, result.unjudged) == (2, 0)


def test_the_column_pass_at_k_is_that_of_k():
    (result,) = results_of(group("x", 0.0, 0.0, 1.0))
    assert list(result.pass_at) == [1, 2, 3]
    assert rows_of([result])[0][4] == "100.0 ± 0.0"


def test_a_sample_without_an_answer_has_no_vote():
    silent = [replace(sample("x", index, 0.0), status="NO_ANSWER") for index in range(2)]
    (result,) = results_of([*silent, sample("x", 2, 1.0, "1")])
    assert result.majority.value == 1.0


def test_a_length_that_is_unknown_is_in_no_mean():
    (result,) = results_of([sample("x", 0, 1.0), replace(sample("x", 1, 1.0), tokens=-1)])
    assert result.tokens == 10


def test_without_a_length_the_table_says_so():
    assert "unknown" in rows_of(results_of([replace(sample("x", 0, 1.0), tokens=-1)]))[0]


def test_nothing_judged_is_no_result():
    assert results_of(group("x", None)) == []


def test_what_changed_between_two_runs():
    before = [
        *group("won", 0.0, 0.0),
        *group("lost", 1.0, 1.0),
        *group("same", 1.0, 1.0),
        *group("gone", 1.0),
    ]
    after = [*group("won", 1.0, 1.0), *group("lost", 0.0, 1.0), *group("same", 1.0, 1.0)]
    (found,) = compare(before, after)
    assert found.questions == 3
    assert (found.newly_solved, found.newly_lost, found.first_reached) == (("won",), ("lost",), ("won",))
    assert found.pass_before[2] == 2 / 3
    assert found.pass_after[2] == 1.0


def test_the_page_escapes_what_it_shows():
    name = "<script>"
    samples = [Sample(name, "q<", 0, "", False, 1, 1.0, "ACCEPTED", "1", "")]
    shown = page(results_of(samples), compare(samples, samples))
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_the_table_lines_up():
    lines = text_table(results_of(group("x", 1.0, 0.0))).splitlines()
    assert lines[0].split()[:3] == ["benchmark", "problems", "k"]
    assert "50.0 ±" in lines[1]

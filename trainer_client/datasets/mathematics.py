"""Problems with a gold answer."""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.datasets.rows import Row
from trainer_client.datasets.task import Known, Task
from trainer_client.tasks.files import MATH_PROMPT

_GSM8K_MARK = "####"


def gold_answer(row: Row) -> Task:
    """`{problem | question, answer | gold | expected_answer, id | unique_id?}`, one answer or an array of
    them.

    MATH-500 (HuggingFaceH4/MATH-500), AIME (problem, answer), DeepScaleR-Preview (problem, answer), AMC, and
    whatever else keeps one gold answer a row. Answers may be numbers; a problem may be missing.
    """
    gold = row.any("answer", "gold", "expected_answer", "Answer")
    return math_task(row, [str(one) for one in gold] if isinstance(gold, list) else [_scalar(row, gold)])


def gsm8k(row: Row) -> Task:
    """`{question, answer}` of openai/gsm8k: the gold follows `####` at the end of the worked answer."""
    answer = row.text("answer")
    _, mark, gold = answer.rpartition(_GSM8K_MARK)
    if not mark or not gold.strip():
        raise row.fault("answer", f"has no {_GSM8K_MARK} with the gold behind it")
    return math_task(row, [gold.strip().replace(",", "")])


def math_task(row: Row, gold: list[str]) -> Task:
    """The task of one or more gold answers; the first one, boxed, is the known right answer."""
    if not gold or not all(one.strip() for one in gold):
        raise row.fault("answer", "is empty")
    problem = row.text_or("", "problem", "question", "Problem")
    prompt = MATH_PROMPT.format(problem=problem)
    name = row.where.rsplit(":", 1)[-1]
    identity = str(row.values.get("unique_id") or row.values.get("id") or row.values.get("ID") or name)
    known = Known("gold", f"\\boxed{{{gold[0]}}}", right=True)
    return Task(identity, prompt, pb.MathTask(gold=gold), (known,))


def _scalar(row: Row, gold: object) -> str:
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        raise row.fault("answer", f"a number or text is wanted, not {type(gold).__name__}")
    return str(gold)

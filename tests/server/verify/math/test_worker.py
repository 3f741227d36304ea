"""The worker, run in this process: its protocol, its rules, and the traps other graders fall into."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sympy.core import random as sympy_random

from server.verify.math import symbolic, worker
from server.verify.math.judge import Judgement


def check(gold: str | list[str], answer: str) -> dict[str, str]:
    golds = [gold] if isinstance(gold, str) else gold
    return json.loads(worker.handle(json.dumps({"gold": golds, "answer": answer}).encode()))


EQUAL = [
    (r"y = \pm x", r"y = \pm x"),
    (r"y = \pm x", r"y = x \text{ or } y = -x"),
    (r"x^2 = \pm 4", "x^2 = 4, x^2 = -4"),
    ("x = -1", "x = -1 ± 0"),
    (r"x = \pm 5", r"x = 5 \text{ or } x = -5"),
    (r"x \neq 5", "x != 5"),
    ("x <= 5", r"x \le 5"),
    (r"\binom{n}{k}", r"{n \choose k}"),
    ("185", "185\\"),
    ("185\\", "185"),
    ("185", '"185"'),
    ("185", '\\"185\\"'),
    (r"p = 5, q = 2 \text{ and } p = 7, q = 2", "p=5,q=2;p=7,q=2"),
    (r"p = 5, q = 2 \text{ and } p = 7, q = 2", "(5,2),(7,2)"),
    ("1:3", r"\frac{1}{3}"),
    (r"k = \{1,2,3\}", r"k \in {1,2,3}"),
    ("110, 70", "70,110"),
    (
        r"\begin{pmatrix}6 & 8 \\ 10 & 12\end{pmatrix}",
        r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix} + \begin{pmatrix}5 & 6 \\ 7 & 8\end{pmatrix}",
    ),
    (
        r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix} + \begin{pmatrix}5 & 6 \\ 7 & 8\end{pmatrix}",
        r"\begin{pmatrix}6 & 8 \\ 10 & 12\end{pmatrix}",
    ),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "[[1],[2]]"),
    (r"5 \pm 2", "7, 3"),
    ("n!", "n!"),
    ("5!", "120"),
    (r"4 \pmod 7", r"4 \pmod{7}"),
    (r"x \equiv 4 \pmod 7", r"x\equiv 4\pmod{7}"),
    ("(1,2)", "{(1,2)}"),
    ("x_1", "x_{1}"),
    ("42", "'42'"),
    (r"\sqrt{51}", r"51^{1/2}"),
    (r"3\sqrt{13}", r"\sqrt{117}"),
    (r"\frac{\pi}{2}", "pi/2"),
    ("-1", r"e^{i\pi}"),
    ("1+2i", "i(2-i)"),
    ("6 - 5i", "-5i+6"),
    (r"\cos x", r"\sin(90^\circ - x)"),
    ("3", r"\log_2 8"),
    (r"\frac13", "0.333333"),
    (r"\frac13", "0.333333333333333"),
    (r"\pi", "3.141593"),
    ("100", "10^2"),
    ("x^2+2x+1", "(x+1)^2"),
    ("(a+5)(b+2)", "ab+2a+5b+10"),
    ("2x+1", "y = 2x+1"),
    ("y=2x+3", "2x-y+3=0"),
    ("5x - 7y + 11z + 4 = 0", "-5x+7y-11z-4=0"),
    ("f(x)=2x+3", "y=2x+3"),
    ("5", "2+3=5"),
    ("5", "x=y+2=5"),
    ("1,-2", "x = -2, x = 1"),
    (r"\sqrt5,-\sqrt5", r"\pm\sqrt{5}"),
    (r"1 \pm \sqrt{19}", r"1-\sqrt{19}, 1+\sqrt{19}"),
    (r"\{1\pm\sqrt{5},-2\}", r"x=1\pm\sqrt5 \text{ or } x=-2"),
    (r"45^\circ, 135^\circ", "135, 45"),
    ("70,110", r"110 \text{ and } 70"),
    ("(3,2,4)", r"\langle 3,2,4\rangle"),
    ("(4,24)", "x=4, y=24"),
    ("(4,24)", "(x,y)=(4,24)"),
    (r"(3, \frac{\pi}{2})", r"\left(3, \pi/2\right)"),
    ("(3,4]", r"3 < x \le 4"),
    (r"1 \le x < 3", "[1,3)"),
    (r"x \in [-2,7]", "[-2,7]"),
    (r"(0,9) \cup (9,36)", r"(9,36)\cup(0,9)"),
    (r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}", r"\begin{bmatrix} -\frac13 \\ \frac{2}{3} \end{bmatrix}"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1, 2)"),
    (r"\text{east}", "East"),
    (r"\text{(C)}", "C"),
    ("C", r"\textbf{(C)}"),
    ("10", r"10\text{ marbles}"),
    ("10", "10 marbles"),
    (r"\frac{\pi}{100}", r"\pi\%"),
    ("7:30", r"7:30 \text{ am}"),
    (r"\frac13", "1:3"),
    (r"58\frac13", r"\frac{175}{3}"),
]

UNEQUAL = [
    (r"y = \pm x", "y = x"),
    ("y = x", r"y = \pm x"),
    ("y^2 = 4x", r"y = \pm 2\sqrt{x}"),
    (r"x = \pm 5", "x=5"),
    ("x >= 5", "x > 5"),
    (r"p = 5, q = 2 \text{ and } p = 7, q = 2", "p=5,q=2;p=7,q=3"),
    ("9:10", r"\frac{9}{10}"),
    ("1:2", "2:4"),
    ("12:00", "12"),
    ("1,234", "1"),
    (
        r"\begin{pmatrix}6 & 8 \\ 10 & 13\end{pmatrix}",
        r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix} + \begin{pmatrix}5 & 6 \\ 7 & 8\end{pmatrix}",
    ),
    (
        r"\begin{pmatrix}6 & 8 \end{pmatrix}",
        r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix} + \begin{pmatrix}5 & 6 \end{pmatrix}",
    ),
    (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", "[1, 2]"),
    ("[1,2]", "[[1,2]]"),
    ("x != 5", "5"),
    ("4", "4 mod 7"),
    (r"x \equiv 4 \pmod 7", r"x\equiv 5\pmod{7}"),
    ("4", r"11 \bmod 7"),
    ("f'(x)", "'f'(x)'"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    (r"\frac1{2^{99}}", r"\frac1{2^{98}}"),
    (r"1-\frac1{\mathrm e}", r"1+\frac1{\mathrm e}"),
    ("2021", r"\pm 2021"),
    ("12:00", "1:00"),
    ("1:2:3", "1:4:9"),
    ("5", "7=5"),
    ("5", "6-2=5"),
    ("42", "42 or 43"),
    ("4", r"4\sqrt(2)"),
    ("3x-y+13=0", "3x+4y+14=0"),
    ("f(x)=0", r"\forall x>0, f(x)=0"),
    ("12_5", "12_7"),
    (r"5\text{ cm}", r"5\text{ m}"),
    (r"7:30 \text{ am}", r"7:30 \text{ pm}"),
    ("5050", r"\sum_{k=1}^{100} k"),
    (r"\frac13", r"\int_0^1 x^2 dx"),
    ("3", r"\gcd(9, 6)"),
    ("2", r"\det\begin{pmatrix}1&0\\0&2\end{pmatrix}"),
    ("10", r"x \le 10"),
    ("10", r"10 \text{ or more}"),
    ("10", r"10 \text{ million}"),
    ("21", "[20,22]"),
    ("[0,1)", "[0,1]"),
    ("(3,2,4)", r"\{4,2,3\}"),
    ("(4,24)", "(24,4)"),
    ("15x-80", "15y-80"),
    ("9+11i", "9-11i"),
    (r"\pi", "3.14"),
    ("x^2", "x^2+0.0000000001"),
    ("|x|", "x"),
    (r"\text{even}", r"\text{Not even}"),
    ("east", "seat"),
    (r"\text{D}", "E"),
    ("x=5", "y=5"),
    ("6", "2 3"),
    ("1", "1 1"),
    (r"-\infty", r"\infty"),
    (r"\begin{pmatrix} 3 & 2 \\ 0 & -7 \end{pmatrix}", r"\begin{pmatrix}3&0\\2&-7\end{pmatrix}"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_equal(gold: str, answer: str) -> None:
    assert check(gold, answer)["status"] == "correct"


@pytest.mark.parametrize(("gold", "answer"), UNEQUAL)
def test_unequal(gold: str, answer: str) -> None:
    assert check(gold, answer)["status"] in {"incorrect", "unreadable_answer"}


@pytest.mark.parametrize(
    ("gold", "answer", "status", "rule"),
    [
        ("5", r"\frac{1}{", "unreadable_answer", "the answer"),
        ("5", "9^{9^{9}}", "incorrect", "too_complex: "),
        ("5", "(" * 5000 + "5" + ")" * 5000, "incorrect", "too_complex: "),
        ("5", "5" + " " * 20_000 + "or 6", "incorrect", "too_complex: "),
        (r"\frac{1}{", "5", "unreadable_gold", "the gold"),
        (r"\frac{1}{", "1,2", "unreadable_gold", "the gold"),
        (r"\frac{1}{", r"\frac{2}{", "unreadable_gold", "the gold"),
        ("9^{9^{9}}", "5", "unreadable_gold", "too_complex: "),
        ("there is no such coloring", "5", "unreadable_gold", "prose"),
        ("there is no such coloring", "There is no such coloring.", "correct", "text"),
    ],
)
def test_the_side_at_fault_is_named(gold: str, answer: str, status: str, rule: str) -> None:
    result = check(gold, answer)
    assert result["status"] == status
    assert rule in result["rule"]


def test_any_of_several_golds_is_enough() -> None:
    assert check([r"\sqrt{2}", r"\sqrt{3}"], r"3^{1/2}")["status"] == "correct"
    assert check([r"\frac{1}{", r"\sqrt{3}"], r"\sqrt{2}")["status"] == "incorrect"
    assert check([r"\frac{1}{", r"\frac{2}{"], r"\sqrt{2}")["status"] == "unreadable_gold"


def test_a_fault_inside_computer_algebra_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(worker, "judge", broken)
    assert check("1", "2")["status"] == "undecided"


def test_long_sides_are_cut_in_the_result() -> None:
    assert len(check("5", "1" * 1500)["answer_parsed"]) == worker.MAX_SHOWN


def test_memory_that_is_refused_is_the_supervisors_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(worker, "judge", hungry)
    with pytest.raises(MemoryError):
        check("1", "2")


def test_memory_that_is_refused_while_reading_is_no_unreadable_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(symbolic, "normalize_latex", hungry)
    with pytest.raises(MemoryError):
        check(r"\log_2 7", r"\log_3 11")


def test_chance_begins_anew_with_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def gambler(gold: str, answer: str, *_: object) -> Judgement:
        drawn.append((random.random(), sympy_random.rng.random()))
        return Judgement("incorrect", "", gold, answer)

    monkeypatch.setattr(worker, "judge", gambler)
    check("1", "2")
    random.seed(7)
    check("3", "4")
    assert drawn[0] == drawn[1]


def test_gmp_is_never_loaded_even_where_it_is_installed(tmp_path: Path) -> None:
    for name in ("gmpy2", "flint"):
        (tmp_path / f"{name}.py").write_text(f"print('{name} was imported')\n__version__ = '2.2'\n")
    program = "import sys, server.verify.math.worker as w; w.warm_up(); print(sys.modules.get('gmpy2'))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "None\n"


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"gold": [], "answer": "1"}', b'{"gold": ["1"], "answer": 1}']
)
def test_a_broken_payload_raises(payload: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        worker.handle(payload)


def test_warm_up_reads_every_example() -> None:
    worker.warm_up()
    assert {check(gold, answer)["status"] for gold, answer in worker._WARM_UP} == {"correct", "incorrect"}

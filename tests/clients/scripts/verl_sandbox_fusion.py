"""verl's own client of a SandboxFusion server, on programs of every kind."""

import json
import os
import sys
import types

# Its packages' __init__ files want ray and tensordict, which the client itself does not.
root = next(path for path in sys.path if os.path.isdir(os.path.join(path, "verl")))
for name in ("verl", "verl.utils"):
    module = types.ModuleType(name)
    module.__path__ = [os.path.join(root, *name.split("."))]
    sys.modules[name] = module

from verl.utils.reward_score.sandbox_fusion import compute_score  # noqa: E402
from verl.utils.reward_score.sandbox_fusion.utils import check_correctness  # noqa: E402

URL = f"{os.environ['SERVER_HTTP']}/run_code"
DOUBLE = "print(int(input()) * 2)"
CASES = {"inputs": ["3\n", "4\n"], "outputs": ["6\n", "8\n"]}
CALL = {"inputs": ["3\n4"], "outputs": ["7"], "fn_name": "add"}
MIXED = """
import sys, time
number = int(sys.stdin.read())
if number % 25 == 5:
    time.sleep(30)
print(number + 1 if number % 10 == 3 else number)
"""
MANY = {"inputs": [str(n) for n in range(100)], "outputs": [f"{n}\n" for n in range(100)]}
HOG = "x = bytearray(1 << 30)\nx[::4096] = b'1' * (1 << 18)\nwhile True: pass"


def judged(cases, program, **options):
    results, metadata = check_correctness(URL, cases, program, **options)
    return {"results": results, "statuses": [entry["status"] for entry in metadata]}


def scored(completion, cases=CASES, **options):
    return compute_score(URL, None, 1024, completion, cases, **options)[0]


print(
    json.dumps(
        {
            "scores": [
                scored(f"```python\n{DOUBLE}\n```"),
                scored("```python\nprint(6)\n```", json.dumps(CASES)),
                scored("```python\nprint(6)\n```", continuous=True),
                scored("I do not know."),
            ],
            "right": judged(CASES, DOUBLE),
            "wrong": judged(CASES, "print(1)"),
            "call": judged(CALL, "def add(a, b): return a + b"),
            "compile error": judged(CASES, "a = b", language="cpp"),
            "runtime error": judged(CASES, "raise ValueError"),
            "timeout": judged(CASES, "import time; time.sleep(10)", timeout=1),
            "many": judged(MANY, MIXED, timeout=5),
            "hogs": judged({"inputs": [""] * 16, "outputs": [""] * 16}, HOG, timeout=2),
        }
    )
)

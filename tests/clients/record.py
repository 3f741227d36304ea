"""Records the bytes that clients which are not on PyPI put on the wire, and what this server answers.

    PYTHONPATH=.clients python -m tests.clients.record [HOST:PORT of a running server]

Each call below is made with the HTTP library, the arguments and the order of fields of the client that it
names (its source and commit stand beside it), at the library's version in requirements.txt. The bytes are
read off a socket and kept in tests/data/exchanges/NAME.request. With a server's address, its answers are
kept in NAME.response, without what differs from run to run (`tests.clients.exchanges`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import requests

from tests.clients.exchanges import FOLDER, ask, masked, read_message

HOST = "127.0.0.1:8080"
JSON = {"Content-Type": "application/json"}
DOUBLE, TRIPLE = "print(int(input()) * 2)", "print(int(input()) * 3)"
CPP = "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n << '\\n'; }"
CHECKER = """
import sys
given, right, found = (open(path).read() for path in sys.argv[1:4])
print(1 if float(found) == float(right) == 2 * float(given) else 0)
"""
TESTS = {"inputs": ["3\n", "4\n"], "outputs": ["6\n", "8\n"], "language": "python"}
Call = Callable[[str], object]


def fenced(program: str) -> str:
    """A completion with a program in it."""
    return f"Twice the number.\n```python\n{program}\n```"


def with_requests(path: str, body: Any, **options: Any) -> Call:
    """`requests.post(url, json=body)`; a session's first request is the same."""
    return lambda base: requests.post(f"{base}{path}", json=body, timeout=10, **options)


def with_aiohttp(path: str, body: Any, **options: Any) -> Call:
    """`session.post(url, json=body)` of a plain `aiohttp.ClientSession`."""

    async def call(base: str) -> None:
        async with aiohttp.ClientSession() as session, session.post(f"{base}{path}", json=body, **options):
            pass

    return lambda base: asyncio.run(_run(call(base)))


async def _run(work: Awaitable[None]) -> None:
    await work


def slime(response: str, label: str, prompt: Any = "Double it.") -> Call:
    """slime 624b824a, slime/rollout/rm_hub: `remote_rm`; miles 31f1ca96 sends the same."""
    return with_aiohttp("/slime", {"prompt": prompt, "response": response, "label": label})


def open_instruct(path: str, program: str, tests: list[Any]) -> Call:
    """open-instruct e6c3044a, open_instruct/ground_truth_utils.py: `CodeVerifier`."""
    body = {"program": program, "tests": tests, "max_execution_time": 1.0}
    return with_requests(path, body, headers=JSON)


def open_r1(language: str, program: str, checker: str = "") -> Call:
    """open-r1 2de7e226, competitive_programming: `score_single_test_case` and `PistonClient.send_execute`."""
    suffix = "python" if language == "cf_python3" else "cpp"
    checkers = [{"name": "checker.py", "content": checker}] if checker else []
    limits = "TIME_LIMIT=2.0\nMEMORY_LIMIT=256.0\nINPUT_MODE=stdio"
    files = [
        {"name": f"main.{suffix}", "content": program},
        *checkers,
        {"name": "input.txt", "content": "3\n"},
        {"name": "correct_output.txt", "content": "6\n"},
        {"name": "grader_config", "content": limits},
    ]
    body = {"files": files, "run_timeout": 5_000.0, "language": language, "version": "*"}
    return with_aiohttp("/api/v2/execute", body, headers=JSON)


def ms_swift(program: str) -> Call:
    """ms-swift 3602360a, plugin.py of its GRPO examples: `CodeRewardByJudge0`, which keeps a line end."""
    body = {"source_code": f"{program}\n", "language_id": 71, "stdin": "3\n", "expected_output": "6\n"}
    return with_aiohttp("/submissions/?wait=true", body, headers=JSON)


def skyrl_agent(program: str) -> Call:
    """SkyRL a9564572, coder1/sandboxfusion_exec.py: `code_exec_sandboxfusion`."""
    body = {"language": "python", "code": program, "stdin": "3\n", "run_timeout": 30}
    return with_requests("/run_code", body)


def skyrl_agent_solution(program: str, tests: str) -> Call:
    """The same function of its descendants: tests that import the program from a file."""
    files = {"solution.py": base64.b64encode(program.encode()).decode()}
    body = {"language": "python", "code": tests, "stdin": None, "run_timeout": 30, "memory_limit_MB": 1024}
    return with_requests("/run_code", {**body, "files": files})


def tinker_cookbook(program: str) -> Call:
    """tinker-cookbook f079793f, tinker_cookbook/sandbox/sandboxfusion.py: `SandboxFusionClient.run`."""
    files = {"data.txt": "Mwo="}
    body = {"code": program, "language": "python", "run_timeout": 10, "files": files}
    return with_aiohttp("/run_code", body)


def code_judge(*programs: str) -> Call:
    """rStar2-Agent's tool calls: `call_long_batch`."""
    submissions = [{"type": "python", "solution": program, "input": "3\n"} for program in programs]
    return with_aiohttp("/run/long-batch", {"type": "batch", "submissions": submissions})


CALLS: dict[str, Call] = {
    "slime_math_right": slime("so \\boxed{42}", "42"),
    "slime_math_wrong": slime("so \\boxed{41}", "42"),
    "slime_code": slime(fenced(DOUBLE), json.dumps(TESTS)),
    "slime_messages": slime(
        fenced(TRIPLE), json.dumps(TESTS), [{"role": "user", "content": "Verdoppeln, ü"}]
    ),
    "open_instruct_asserts": open_instruct(
        "/test_program", "def f(x):\n    return 2 * x", ["assert f(3) == 6", "assert f(3) == 9"]
    ),
    "open_instruct_stdio": open_instruct(
        "/test_program_stdio", DOUBLE, [{"input": "3\n", "output": "6\n"}, {"input": "4\n", "output": "9\n"}]
    ),
    "open_r1_python": open_r1("cf_python3", DOUBLE),
    "open_r1_python_wrong": open_r1("cf_python3", TRIPLE),
    "open_r1_python_checker": open_r1("cf_python3", "print(f'{int(input()) * 2}.0')", CHECKER),
    "open_r1_cpp": open_r1("c++17", CPP),
    "open_r1_cpp_broken": open_r1("c++17", "int main() { return x; }"),
    "ms_swift_right": ms_swift(DOUBLE),
    "ms_swift_wrong": ms_swift(TRIPLE),
    "skyrl_agent_success": skyrl_agent(DOUBLE),
    "skyrl_agent_failed": skyrl_agent("import sys\nprint(input())\nsys.exit(3)"),
    "skyrl_agent_solution": skyrl_agent_solution(
        "def double(n):\n    return 2 * n", "from solution import double\nassert double(3) == 6\nprint('ok')"
    ),
    "tinker_cookbook": tinker_cookbook("print(open('data.txt').read(), end='')"),
    "code_judge": code_judge(DOUBLE, "print(input(), 1 / 0)"),
}


def recorded(call: Call) -> bytes:
    """The bytes of one request, its address replaced by HOST."""
    found: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            found.append(read_message(connection))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        call(f"http://{address}")
        server.join()
    return found[0].replace(address.encode(), HOST.encode())


def main() -> None:
    """Writes the files, and names each."""
    FOLDER.mkdir(exist_ok=True)
    for name, call in CALLS.items():
        request = recorded(call)
        (FOLDER / f"{name}.request").write_bytes(request)
        for server in sys.argv[1:2]:
            Path(FOLDER / f"{name}.response").write_bytes(masked(ask(server, request)))
        print(name, len(request))


if __name__ == "__main__":
    main()

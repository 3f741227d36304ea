"""OpenRLHF's own client of a remote reward."""

import asyncio
import json
import os

from openrlhf.utils.agent import SingleTurnAgentExecutor

LABEL = json.dumps({"inputs": ["3\n"], "outputs": ["6\n"]})
PROGRAM = "```python\nprint(int(input()) * 2)\n```<|im_end|>"


async def main():
    executor = SingleTurnAgentExecutor(f"{os.environ['SERVER_HTTP']}/openrlhf")
    answers = []
    for prompt, response, label in (
        ("Use \\boxed{42}. ", "I do not know", "42"),
        ("Q ", "so \\boxed{42}", "42"),
        ("Write ", PROGRAM, LABEL),
    ):
        found = await executor._fetch_rewards_via_http([prompt + response], [prompt], [label])
        answers.append(found[0] if isinstance(found, list) else found)
    print(json.dumps([answer["rewards"][0] for answer in answers]))


asyncio.run(main())

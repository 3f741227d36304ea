"""SandboxFusion's own SDK."""

import json
import os

from sandbox_fusion import (
    RunCodeRequest,
    RunJupyterRequest,
    SubmitRequest,
    TestConfig,
    run_code,
    run_jupyter,
    set_endpoint,
    submit,
)

set_endpoint(os.environ["SERVER_HTTP"])
ran = run_code(RunCodeRequest(code="print(input())", language="python", stdin="x"))
broken = run_code(RunCodeRequest(code="int main() { return x; }", language="cpp"))
problem = {"test": [{"input": {"stdin": "2"}, "output": {"stdout": "4"}}]}
config = TestConfig(dataset_type="CommonOJDataset", language="python", provided_data=problem)
completion = "```python\nprint(int(input()) * 2)\n```"
accepted = submit(SubmitRequest(dataset="x", id=1, completion=completion, config=config)).accepted
notebook = run_jupyter(RunJupyterRequest(cells=["x = 2", "print(x)\nx + 1"], kernel="python3"))
print(
    json.dumps(
        {
            "ran": [ran.status.value, ran.run_result.stdout],
            "broken": [broken.status.value, broken.run_result],
            "accepted": accepted,
            "notebook": [notebook.status.value, notebook.cells[1].stdout, notebook.cells[1].display],
        }
    )
)

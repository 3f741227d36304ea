"""docker/compose.yaml and what watches it: the server comes up, a real Prometheus scrapes and evaluates."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode
from server.metrics import Metrics
from tests.wire.conftest import Server, started

pytestmark = pytest.mark.timeout(1200)
GRID_COLUMNS = 24  # of a Grafana dashboard

MATH = {"id": "m", "completion": r"so \boxed{\frac{1}{2}}", "math": {"gold": ["0.5"]}}


def expressions(repository: Path) -> str:
    """Every query of the rules and of the dashboard."""
    rules = (repository / "docker/prometheus/rules.yml").read_text()
    return rules + "\n".join(target["expr"] for target in targets(repository))


def targets(repository: Path) -> list[dict[str, Any]]:
    dashboard = json.loads((repository / "docker/grafana/dashboards/reward-server.json").read_text())
    return [target for panel in dashboard["panels"] for target in panel["targets"]]


def families() -> dict[str, str]:
    """Type of each metric of the server's registry, by the name that queries use."""
    text, _ = Metrics(lambda: 0).render()
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text.decode(), re.M))


def samples(kinds: dict[str, str]) -> set[str]:
    """The names of all samples that these families can have."""
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {f"{name}{part}" for name, kind in kinds.items() for part in parts.get(kind, ("",))}


def test_every_metric_of_rules_and_dashboard_is_one_of_the_server(repository: Path) -> None:
    used = set(re.findall(r"\breward_\w+", expressions(repository)))
    assert len(used) > 5
    assert used - samples(families()) == set()


def test_every_recorded_series_of_the_dashboard_is_recorded(repository: Path) -> None:
    recorded = re.findall(r"record: (\S+)", (repository / "docker/prometheus/rules.yml").read_text())
    used = {name for target in targets(repository) for name in re.findall(r"\breward:[\w:]+", target["expr"])}
    assert used
    assert used <= set(recorded)


def test_every_status_and_code_of_a_query_exists(repository: Path) -> None:
    found = re.findall(r'\b(status|code)=~?"([^"]+)"', expressions(repository))
    assert found
    known = {"status": set(pb.Status.keys()), "code": {code.name for code in ErrorCode}}
    for label, values in found:
        assert set(values.split("|")) <= known[label]


def test_every_label_of_the_dashboard_is_one_of_its_metric(repository: Path) -> None:
    metrics = Metrics(lambda: 0, lambda: {"cache.hit": 1, "workers.call": 1})
    known = {
        name: {"instance", "le", *labels}
        for family in metrics.registry.collect()
        for name in samples({family.name: family.type}) | {f"{family.name}_total"}
        for labels in (_labels_of(metrics, family),)
    }
    for target in targets(repository):
        for name in re.findall(r"\breward_\w+", target["expr"]):
            grouped = {
                part for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for part in group.split(", ")
            }
            matched = set(re.findall(r"(\w+)[!=]?[=~]+\"", target["expr"]))
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert grouped | matched | shown <= known[name], target["expr"]


def _labels_of(metrics: Metrics, family: Metric) -> set[str]:
    """Those of its samples, and where there is none yet, those that its owner was made with."""
    owners = (owner for owner in vars(metrics).values() if getattr(owner, "_name", None) == family.name)
    declared = {
        label for owner in owners for label in getattr(owner, "_labelnames", getattr(owner, "_labels", ()))
    }
    return declared | {label for sample in family.samples for label in sample.labels}


def test_every_panel_of_the_dashboard_has_its_place(repository: Path) -> None:
    dashboard = json.loads((repository / "docker/grafana/dashboards/reward-server.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= GRID_COLUMNS, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_panel_asks_the_source_that_is_provisioned(repository: Path) -> None:
    sources = yaml.safe_load(
        (repository / "docker/grafana/provisioning/datasources/prometheus.yaml").read_text()
    )
    known = {source["uid"] for source in sources["datasources"]}
    assert {target["datasource"]["uid"] for target in targets(repository)} <= known


@pytest.mark.toolchain("promtool")
def test_promtool_reads_every_query_of_the_dashboard(repository: Path, tmp_path: Path) -> None:
    queries = [target["expr"].replace("$__rate_interval", "1m") for target in targets(repository)]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    command = ["promtool", "check", "rules", "queries.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.toolchain("promtool")
@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules_test.yml"],
    ],
    ids=" ".join,
)
def test_promtool_accepts(command: list[str], repository: Path) -> None:
    folder = repository / "docker" / "prometheus"
    done = subprocess.run(
        ["promtool", *command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test(repository: Path) -> None:
    alerts = re.findall(r"alert: (\w+)", (repository / "docker/prometheus/rules.yml").read_text())
    tests = (repository / "docker/prometheus/rules_test.yml").read_text()
    for alert in alerts:
        assert re.search(rf"alertname: {alert}\n\s+exp_alerts:\n", tests), alert


@pytest.fixture(scope="module")
def watched() -> Iterator[Server]:
    with started("--languages", "python") as server:
        yield server


@pytest.fixture
def prometheus(watched: Server, repository: Path, tmp_path: Path) -> Iterator[str]:
    """A Prometheus with the repository's rules that scrapes the server; its address."""
    shutil.copy(repository / "docker/prometheus/rules.yml", tmp_path)
    text = (repository / "docker/prometheus/prometheus.yml").read_text().replace("10s", "1s")
    head, found, _ = text.partition("    dns_sd_configs:")
    assert found
    config = f"{head}    static_configs: [{{targets: ['{watched.http}']}}]\n"
    (tmp_path / "prometheus.yml").write_text(config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
    ]
    with subprocess.Popen(
        [*command, f"--web.listen-address={address}"], stderr=subprocess.DEVNULL
    ) as process:
        yield address
        process.terminate()


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """Samples of an expression now; none while Prometheus is starting."""
    try:
        found = fetch(f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    except (urllib.error.URLError, ConnectionError):
        return []
    return list(found["data"]["result"])


def fetch(url: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def until(found: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Waits for samples; the test's timeout is the limit."""
    while not (samples := found()):
        time.sleep(0.2)
    return samples


@pytest.mark.toolchain("prometheus")
def test_a_real_prometheus_scrapes_the_server_and_evaluates_the_rules(
    prometheus: str, watched: Server
) -> None:
    up = until(lambda: query(prometheus, 'up{job="reward-server"} == 1'))
    assert up[0]["metric"]["instance"] == watched.http
    for _ in range(5):
        assert fetch(f"http://{watched.http}/v1/verify", MATH)["reward"] == 1.0
    counted = until(lambda: query(prometheus, 'reward_verdicts_total{status="ACCEPTED"} == 5'))
    assert counted[0]["metric"]["task"] == "math"
    until(lambda: query(prometheus, 'reward:phase_seconds:p99_5m{task="math", phase="total"}'))
    rules = fetch(f"http://{prometheus}/api/v1/rules")["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}
    assert query(prometheus, 'ALERTS{alertstate="firing"}') == []


# --- the compose file ----------------------------------------------------------------------------


def compose(repository: Path, *arguments: str, **environment: str) -> str:
    """Output of docker-compose on the repository's file."""
    command = ["docker-compose", "-p", "verdict-reward-test", "-f", str(repository / "docker/compose.yaml")]
    done = subprocess.run(
        [*command, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.toolchain("docker-compose")
def test_docker_compose_reads_it_and_starts_the_monitoring_only_by_its_profile(repository: Path) -> None:
    services = yaml.safe_load(compose(repository, "config"))["services"]
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert profiles == {"reward-server": [], "prometheus": ["monitoring"], "grafana": ["monitoring"]}


@pytest.mark.toolchain("docker-compose")
def test_the_server_comes_up_and_answers_through_its_published_port(
    image: str, repository: Path, tmp_path: Path
) -> None:
    override = tmp_path / "override.yaml"
    # The self-test of C++ precompiles a header, which takes half a minute with an empty cache.
    override.write_text(
        'version: "3.9"\nservices: {reward-server: {environment: {REWARD_SERVER_LANGUAGES: python}}}\n'
    )
    settings = {"REWARD_IMAGE": image, "REWARD_HTTP_PORT": "0", "REWARD_GRPC_PORT": "0"}
    both = ("-f", str(override))
    try:
        compose(repository, *both, "up", "-d", "--no-build", **settings)
        address = compose(repository, *both, "port", "reward-server", "8080", **settings).strip()
        until(lambda: _ready(address))
        assert fetch(f"http://{address}/v1/verify", MATH)["reward"] == 1.0
    finally:
        compose(repository, *both, "down", "-v", **settings)


def _ready(address: str) -> list[dict[str, Any]]:
    try:
        return [fetch(f"http://{address}/ready")]
    except (urllib.error.URLError, ConnectionError):
        return []  # the port is published before the server listens, and /ready is 503 until it is warm

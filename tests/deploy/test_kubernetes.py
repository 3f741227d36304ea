"""docker/kubernetes: each overlay is valid for the API, and agrees with itself and with the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from server.config import Settings, load_settings, split_address
from server.metrics import Metrics
from tests.deploy.kustomize import Manifest, build
from tests.docker.conftest import CAPABILITIES

OVERLAYS = ("namespaces", "landlock", "gvisor")
VERSIONS = ("1.30", "1.33")  # appArmorProfile is a field since 1.30


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def manifests(overlay: str, repository: Path) -> list[Manifest]:
    return build(repository / "docker/kubernetes/overlays" / overlay)


def one(manifests: list[Manifest], kind: str, name: str = "reward-server") -> Any:
    (found,) = [item for item in manifests if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def pod(manifests: list[Manifest]) -> Any:
    return one(manifests, "Deployment")["spec"]["template"]["spec"]


def container(manifests: list[Manifest]) -> Any:
    (found,) = pod(manifests)["containers"]
    return found


def settings(manifests: list[Manifest]) -> Settings:
    """Raises StartupError for a variable that the server would refuse."""
    return load_settings(environment=one(manifests, "ConfigMap")["data"])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_accepts_every_manifest(version: str, manifests: list[Manifest]) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validation_can_fail(manifests: list[Manifest]) -> None:
    container(manifests)["comand"] = ["misspelt"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(one(manifests, "Deployment"), VERSIONS[0], strict=True)


def test_every_file_is_used_by_a_kustomization(repository: Path) -> None:
    for path in (repository / "docker/kubernetes").rglob("*.yaml"):
        if path.name != "kustomization.yaml":
            assert path.name in (path.parent / "kustomization.yaml").read_text(), path


def test_the_settings_are_ones_of_the_server(overlay: str, manifests: list[Manifest]) -> None:
    weakest = "landlock" if overlay == "landlock" else "namespaces"
    assert settings(manifests).min_isolation == weakest


def test_the_cluster_adds_no_variable_that_reads_like_a_setting(manifests: list[Manifest]) -> None:
    # A service named reward-server gives pods REWARD_SERVER_PORT and more, unless they decline.
    assert pod(manifests)["enableServiceLinks"] is False


def test_ports_are_those_the_server_listens_on(manifests: list[Manifest]) -> None:
    ports = {port["name"]: port["containerPort"] for port in container(manifests)["ports"]}
    chosen = settings(manifests)
    assert ports == {"http": split_address(chosen.http)[1], "grpc": split_address(chosen.grpc)[1]}


def test_services_probes_and_policy_name_ports_of_the_container(manifests: list[Manifest]) -> None:
    names = {port["name"] for port in container(manifests)["ports"]}
    used = {port["targetPort"] for name in ("reward-server", "reward-server-grpc")
            for port in one(manifests, "Service", name)["spec"]["ports"]}  # fmt: skip
    used |= {
        rule["port"]
        for entry in one(manifests, "NetworkPolicy")["spec"]["ingress"]
        for rule in entry["ports"]
    }
    probes = ("startupProbe", "readinessProbe", "livenessProbe")
    used |= {container(manifests)[probe]["httpGet"]["port"] for probe in probes}
    assert used == names


def test_probes_ask_for_paths_of_the_server(manifests: list[Manifest]) -> None:
    asked = {probe: container(manifests)[probe]["httpGet"]["path"]
             for probe in ("startupProbe", "readinessProbe", "livenessProbe")}  # fmt: skip
    assert asked == {"startupProbe": "/ready", "readinessProbe": "/ready", "livenessProbe": "/health"}


def test_every_selector_finds_the_pods(manifests: list[Manifest]) -> None:
    labels = one(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        one(manifests, "Deployment")["spec"]["selector"]["matchLabels"],
        one(manifests, "Service")["spec"]["selector"],
        one(manifests, "Service", "reward-server-grpc")["spec"]["selector"],
        one(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        pod(manifests)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()


def test_everything_lives_in_one_namespace(manifests: list[Manifest]) -> None:
    clusterwide = ("Namespace", "RuntimeClass")
    found = {item["metadata"]["namespace"] for item in manifests if item["kind"] not in clusterwide}
    assert found == {one(manifests, "Namespace", "reward")["metadata"]["name"]}


def test_grpc_clients_see_every_replica(manifests: list[Manifest]) -> None:
    assert one(manifests, "Service", "reward-server-grpc")["spec"]["clusterIP"] == "None"


def test_the_autoscaler_follows_a_metric_of_the_server(manifests: list[Manifest]) -> None:
    scaler = one(manifests, "HorizontalPodAutoscaler")["spec"]
    target = one(manifests, scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"])
    assert "replicas" not in target["spec"]  # or every apply would undo the autoscaler
    (metric,) = scaler["metrics"]
    assert f"\n{metric['pods']['metric']['name']} " in Metrics(lambda: 0).render()[0].decode()


def test_the_scrape_annotations_point_at_the_metrics(manifests: list[Manifest]) -> None:
    notes = one(manifests, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert int(notes["prometheus.io/port"]) == split_address(settings(manifests).http)[1]
    assert notes["prometheus.io/path"] == "/metrics"


def test_a_drain_ends_before_the_cluster_loses_patience(manifests: list[Manifest]) -> None:
    pause = int(container(manifests)["lifecycle"]["preStop"]["exec"]["command"][1])
    allowed = pod(manifests)["terminationGracePeriodSeconds"]
    assert pause + settings(manifests).drain_seconds + 10 <= allowed


def test_nothing_leaves_the_pods(manifests: list[Manifest]) -> None:
    policy = one(manifests, "NetworkPolicy")["spec"]
    assert (policy["egress"], policy["policyTypes"]) == ([], ["Ingress", "Egress"])


def test_no_token_of_the_cluster_is_in_the_pod(manifests: list[Manifest]) -> None:
    assert pod(manifests)["automountServiceAccountToken"] is False
    assert one(manifests, "ServiceAccount")["automountServiceAccountToken"] is False


def test_every_path_that_is_written_is_a_volume(manifests: list[Manifest]) -> None:
    assert container(manifests)["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {mount["mountPath"]: mount["name"] for mount in container(manifests)["volumeMounts"]}
    assert set(mounts) == {settings(manifests).cache_directory, "/tmp"}
    assert set(mounts.values()) == {volume["name"] for volume in pod(manifests)["volumes"]}


@pytest.mark.parametrize("overlay", ["namespaces", "gvisor"])
def test_namespaces_get_the_documented_capabilities_and_no_more(manifests: list[Manifest]) -> None:
    context = container(manifests)["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": list(CAPABILITIES)}
    assert "privileged" not in context
    labels = one(manifests, "Namespace", "reward")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


@pytest.mark.parametrize("overlay", ["landlock"])
def test_landlock_keeps_the_restricted_standard(manifests: list[Manifest]) -> None:
    """kubernetes.io/docs/concepts/security/pod-security-standards, policy Restricted."""
    context, whole = container(manifests)["securityContext"], pod(manifests)["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert whole["runAsNonRoot"] is True
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {next(iter(set(volume) - {"name"})) for volume in pod(manifests)["volumes"]} == {"emptyDir"}


@pytest.mark.parametrize("overlay", ["gvisor"])
def test_the_runtime_class_exists(manifests: list[Manifest]) -> None:
    assert one(manifests, "RuntimeClass", pod(manifests)["runtimeClassName"])["handler"] == "runsc"

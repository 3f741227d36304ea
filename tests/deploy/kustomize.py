"""The part of kustomize that docker/kubernetes uses: resources, and JSON 6902 patches with a target.

Anything else in a kustomization is an error here, so that the manifests cannot outgrow what is tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]


def build(folder: Path) -> list[Manifest]:
    """The manifests of a kustomization. Raises OSError for a missing file, ValueError for the unknown."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(kustomization) - {"apiVersion", "kind", "resources", "patches"}
    if unknown:
        raise ValueError(f"{folder.name}: {', '.join(sorted(unknown))} of a kustomization is not tested here")
    manifests: list[Manifest] = []
    for resource in kustomization["resources"]:
        path = folder / resource
        manifests += build(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for patch in kustomization.get("patches", []):
        _patch_matching(manifests, patch["target"], yaml.safe_load((folder / patch["path"]).read_text()))
    return manifests


def _patch_matching(manifests: list[Manifest], target: dict[str, str], operations: list[Manifest]) -> None:
    named = (target["kind"], target["name"])
    found = [item for item in manifests if (item["kind"], item["metadata"]["name"]) == named]
    if not found:
        raise ValueError(f"a patch's target does not exist: {target}")
    for manifest in found:
        for operation in operations:
            _apply(manifest, operation)


def _apply(manifest: Manifest, operation: Manifest) -> None:
    if operation["op"] != "add":
        raise ValueError(f"{operation['op']} is not tested here")
    *parents, last = operation["path"].strip("/").split("/")
    place: Any = manifest
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    place[last] = operation["value"]

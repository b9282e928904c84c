"""The chart, rendered by a real helm, as plain objects."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "flotilla"
SETS = Path(__file__).parent / "sets"
NAMESPACE = "istio-system"
# What is rendered for: a helm built from its module would take itself for years older.
KUBERNETES = "1.36.0"

Object = dict[str, Any]


class HelmError(Exception):
    """helm said no; the text is what it said."""


def value_sets() -> list[str]:
    """Names of the value sets that every test of the whole chart runs over."""
    return sorted(file.stem for file in SETS.glob("*.yaml"))


def run(helm: Path, *arguments: str) -> str:
    """What helm prints. Raises HelmError. Nothing of the user's own helm is used."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home}
        done = subprocess.run([helm, *arguments], capture_output=True, text=True, timeout=60, env=environment)
    if done.returncode:
        raise HelmError(done.stderr.strip())
    return done.stdout


def render(
    helm: Path, name: str = "default", values: Mapping[str, Any] | None = None, namespace: str = NAMESPACE
) -> list[Object]:
    """The objects of a value set, with `values` over it, in helm's order."""
    return [json.loads(text) for text in _render(helm, name, json.dumps(values or {}), namespace)]


@cache
def _render(helm: Path, name: str, values: str, namespace: str) -> tuple[str, ...]:
    arguments = ["--kube-version", KUBERNETES, "-n", namespace, "-f", str(SETS / f"{name}.yaml"), *_over(values)]
    text = run(helm, "template", "mesh", str(CHART), *arguments)
    return tuple(json.dumps(each) for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each)


def _over(values: str) -> list[str]:
    return [
        argument
        for key, value in json.loads(values).items()
        for argument in ("--set-json", f"{key}={json.dumps(value)}")
    ]


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pod_templates(objects: Iterable[Object]) -> dict[str, Object]:
    """Name -> pod template, of everything that starts pods, hooks included."""
    found = {each["metadata"]["name"]: each["spec"]["template"] for each in of_kind(objects, "Deployment", "Job")}
    return found | {each["metadata"]["name"]: each for each in of_kind(objects, "Pod")}

"""Injection against today's Istio: what it made of its own test files.

Both sides are brought to one form first: what this agent has no use for is left out of Istio's, and what only this agent
has is left out of ours. The rest must be equal.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from flotilla_pilot.injection.context import Injector, MeshFacts
from flotilla_pilot.injection.documents import Skipped, inject_object, read_documents
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.settings import InjectionConfig, InjectionValues
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

ROOT = Path(__file__).parents[4]
LEAST_CASES = 60

CNI = "with the CNI plug-in, which Flotilla has not"
OPENSHIFT = "user ranges of OpenShift's namespaces are not read"
TEMPLATE = "a template of its own text: templates here are made in code"
GRPC = "a bootstrap without an agent and so without certificates is not offered"
SPIRE = "a template that mounts SPIRE's socket"
SKIPPED = {
    "hello-existing-cncf-networks-json": CNI,
    "proxy-override-runas.cni": CNI,
    "hello-openshift": OPENSHIFT,
    "hello-openshift-custom-injection": OPENSHIFT,
    "custom-template": TEMPLATE,
    "sidecar-spire": SPIRE,
    "grpc-simple": GRPC,
}
JOBS = "Istio writes a CronJob's labels and annotations to the Job; here they are the pod's, where they mean something"
DIFFERENT = {
    "kubevirtInterfaces": "the values' status port is the agent's own here, and so Prometheus asks there too",
    "cronjob": JOBS,
    "cronjob-old-version": JOBS,
    "hello-fips-140-3": "the compliance policies are those of Istio's Go programs",
}

# Variables and volumes of Istio's agent that this one does not need, and the other way round.
THEIRS = {"PILOT_CERT_PROVIDER", "GOMEMLIMIT", "OTEL_RESOURCE_ATTRIBUTES", "COMPLIANCE_POLICY"}
OURS = {"ROOT_NAMESPACE", "DISCOVERY_ADDRESS", "REVISION", "INSTANCE_IPS"}
PLACES = {"CA_ADDR"}
THEIR_VOLUMES = {
    "workload-socket",
    "credential-socket",
    "workload-certs",
    "istio-ca-crl",
    "istio-certs",
    "istiod-ca-cert-crl",
}
# Fields that Go writes though nobody gave them.
OF_GO = {"creationTimestamp", "status", "test", "paused", "minReadySeconds"}
PARSED = {"PROXY_CONFIG", "ISTIO_META_POD_PORTS", "ISTIO_KUBE_APP_PROBERS", "ISTIO_PROMETHEUS_ANNOTATIONS"}


@pytest.fixture(scope="module")
def vectors() -> Path:
    folder = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set FLOTILLA_VECTORS to the folder that holds them")
    return folder / "today" / "inject"


def injector_of(case: dict[str, Any], folder: Path) -> Injector:
    values = json.loads((folder / case["values"]).read_text())
    mesh = case["meshConfig"]
    if mesh.get("defaultConfig", {}).get("discoveryAddress") == "istiod.istio-system.svc:15012":
        del mesh["defaultConfig"]["discoveryAddress"]  # what Istio has where nothing is said
    default = json_format.ParseDict(mesh.get("defaultConfig", {}), ProxyConfig(), ignore_unknown_fields=True)
    facts = MeshFacts(mesh.get("trustDomain", "cluster.local"), default, mesh.get("enablePrometheusMerge", True))
    config = InjectionConfig(annotations=values["sidecarInjectorWebhook"].get("injectedAnnotations") or {})
    native = case["environment"].get("ENABLE_NATIVE_SIDECARS") != "false"
    return Injector(config, InjectionValues(values), facts, values.get("revision") or "", native)


def normal(content: Any, *, theirs: bool) -> Any:
    """One form for both: without nothing, JSON in text read, quantities as numbers, names of programs alike."""
    content = deepcopy(content)
    _containers(content, theirs=theirs)
    return _pruned(content)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _pruned(each) for key, each in value.items() if key not in OF_GO}
        return {key: each for key, each in found.items() if each not in (None, {}, [], "")}
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    return value


def _containers(value: Any, *, theirs: bool) -> None:
    if isinstance(value, list):
        for each in value:
            _containers(each, theirs=theirs)
    if not isinstance(value, dict):
        return
    for name in ("containers", "initContainers"):
        for container in (each for each in value.get(name) or () if isinstance(each, dict)):
            _container(container, theirs=theirs)
    if isinstance((value.get("volumes") or [""])[0], dict):
        value["volumes"] = sorted(
            (each for each in value["volumes"] if each["name"] not in THEIR_VOLUMES), key=lambda each: str(each["name"])
        )
    for name in ("sidecar.istio.io/status", "proxy.istio.io/overrides"):
        if name in value:
            value[name] = _status(json.loads(value[name]))
    for each in value.values():
        _containers(each, theirs=theirs)


def _status(content: dict[str, Any]) -> dict[str, Any]:
    if "volumes" in content:
        content["volumes"] = sorted(set(content["volumes"] or ()) - THEIR_VOLUMES)
    return content


def _container(container: dict[str, Any], *, theirs: bool) -> None:
    for amounts in (container.get("resources") or {}).values():
        amounts.update({name: _quantity(str(amount)) for name, amount in amounts.items()})
    if container.get("name") not in ("istio-init", "istio-proxy"):
        return
    container["env"] = sorted(
        (
            _variable(each)
            for each in container.get("env") or ()
            if each["name"] not in THEIRS | OURS | PLACES and len(each) > 1
        ),
        key=lambda each: str(each["name"]),
    )
    mounts = container.get("volumeMounts") or ()
    container["volumeMounts"] = sorted(
        (each for each in mounts if each["name"] not in THEIR_VOLUMES), key=lambda each: each["mountPath"]
    )
    if container.get("command") == ["flotilla-agent"]:
        del container["command"]
    for name in ("readinessProbe", "startupProbe"):
        if container.get(name, {}).get("httpGet", {}).get("path") == "/healthz/ready":
            container[name]["httpGet"]["port"] = 0  # Istio asks Envoy on 15021, here the agent is asked
    if container["name"] == "istio-init" and theirs:
        container["args"] = ["interception", *(each for each in container["args"][1:] if "--log" not in each)]
    lifecycle = json.dumps(container.get("lifecycle") or {}).replace("pilot-agent", "flotilla-agent")
    container["lifecycle"] = json.loads(lifecycle)
    for hook in container["lifecycle"].values():
        command = hook.get("exec", {}).get("command")
        if command and command[1:2] == ["wait"]:
            hook["exec"]["command"] = command[:2]
    if "router" in (container.get("args") or ()):
        container["securityContext"] = {}  # ours has fewer rights


def _variable(variable: dict[str, Any]) -> dict[str, Any]:
    if variable["name"] in PARSED:
        return {**variable, "value": json.loads(variable["value"])}
    return variable


def _quantity(text: str) -> float:
    units = {"m": 0.001, "k": 1e3, "Ki": 2**10, "M": 1e6, "Mi": 2**20, "G": 1e9, "Gi": 2**30}
    unit = next((each for each in sorted(units, key=len, reverse=True) if text.endswith(each)), "")
    return float(text.removesuffix(unit)) * units.get(unit, 1)


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two forms differ, for people: theirs, then ours."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [line for key in keys for line in differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for index, (a, b) in pairs for line in differences(a, b, f"{path}[{index}]")]
    return [] if one == other else [f"{path}: {one!r} != {other!r}"]


def outcome(case: dict[str, Any], folder: Path) -> list[str]:
    """What does not agree, or nothing."""
    injector = injector_of(case, folder)
    documents = list(read_documents((folder / case["input"]).read_text()))
    skipped: list[Skipped] = []
    try:
        found = [inject_object(injector, each, skipped.append) for each in documents]
    except InjectionRefused as error:
        wanted = case["errorContains"]
        named = str(error).lower().replace("outboundip", "ip")
        return [] if wanted and wanted.lower() in named else [f"refused: {error}"]
    if case["errorContains"]:
        return [f"not refused, though {case['errorContains']}"]
    if case["logContains"] and not skipped:
        return [f"not skipped, though {case['logContains']}"]
    again = [inject_object(injector, each) for each in found]
    if again != found:
        return [f"twice: {line}" for line in differences(found, again)]
    expected = [each for each in yaml.safe_load_all((folder / case["expected"]).read_text()) if each]
    return differences([normal(each, theirs=True) for each in expected], [normal(each, theirs=False) for each in found])


def cases_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]


def test_injection_is_istios(vectors: Path) -> None:
    cases = cases_of(vectors)
    counts: Counter[str] = Counter()
    failures: dict[str, list[str]] = {}
    for case in cases:
        name = case["id"].removeprefix("inject/").partition("#")[0]
        if name in SKIPPED:
            counts[f"skipped: {SKIPPED[name]}"] += 1
            continue
        found = outcome(case, vectors)
        if name in DIFFERENT:
            counts[f"different: {DIFFERENT[name]}"] += 1
            assert found, f"{name} is listed as different and is not"
            continue
        counts["ran"] += 1
        if found:
            failures[case["id"]] = found
    for line in (f"{count:4} {what}" for what, count in counts.items()):
        print(line)
    assert len(cases) >= LEAST_CASES
    assert not failures, "\n".join(f"{name}: {line}" for name, lines in failures.items() for line in lines[:12])

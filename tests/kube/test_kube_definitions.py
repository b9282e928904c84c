"""The definitions of the chart at a true API server: it refuses what Istio's make it refuse, and nothing that is right."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.offline.judge import judge
from flotilla_shared.model.kinds import WRITTEN, Kind, kind_of
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.errors import KubeError
from flotilla_shared.testing.verdicts import Table, lines
from tests.kube.cluster.client import Cluster
from tests.kube.processes import ROOT

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

# As `kubectl create --dry-run=server` asks: nothing is kept, and unknown fields are refused.
DRY = {"dryRun": "All", "fieldValidation": "Strict"}
# id -> why ours decide otherwise.
DIFFERENT = {"validation/crd/reqauth-valid#00": "jwtRules[].presence is in no message that is published"}
TODAY = {kind.kind: kind for kind in WRITTEN if kind.era == "today"}
UNIX = "unix:///run/a"
TO = [{"destination": {"host": "a"}}]
# Kind, what is wrong with its spec, what is said.
SAID: list[tuple[str, dict[str, Any], str]] = [
    ("ServiceEntry", {"hosts": ["a.com"], "resolution": "SOMEHOW"}, "supported values"),
    ("ServiceEntry", {"hosts": ["*"]}, "a star alone is no host of a service"),
    ("ServiceEntry", {"hosts": ["a.com"], "endpoints": [{"address": "1.1.1.1"}]}, "resolution NONE has no endpoints"),
    ("ServiceEntry", {"hosts": ["a.com"], "ports": [{"number": 0, "name": "a"}]}, "spec.ports[0].number"),
    ("WorkloadEntry", {"address": UNIX, "ports": {"a": 1}}, "a socket has no ports"),
    ("WorkloadEntry", {"labels": {"a": "b"}}, "say where the workload is reached"),
    ("WorkloadGroup", {"template": {}, "probe": {"periodSeconds": 1}}, "say httpGet, tcpSocket, exec or grpc"),
    ("VirtualService", {"http": [{"timeout": "0s", "route": TO}]}, "must be a time of at least 1ms"),
    ("VirtualService", {"http": [{"match": [{"uri": {"exact": "/", "prefix": "/"}}], "route": TO}]}, "oneOf"),
    ("VirtualService", {"tcp": [{"route": [{"weight": 1}]}]}, "spec.tcp[0].route[0].destination: Required value"),
    ("DestinationRule", {"host": "a", "trafficPolicy": {"connectionPool": {"tcp": {"idleTimeout": "-1s"}}}}, "or 0s"),
    ("DestinationRule", {"host": "a", "trafficPolicy": {}}, "spec.trafficPolicy"),
    ("Gateway", {"servers": [{"port": {"number": 80, "name": "a", "protocol": "HTTP"}}]}, "spec.servers[0].hosts"),
    ("Sidecar", {"egress": [{"hosts": []}]}, "spec.egress[0].hosts"),
    ("PeerAuthentication", {"portLevelMtls": {"80": {"mode": "STRICT"}}}, "say which by selector.matchLabels"),
    ("RequestAuthentication", {"jwtRules": [{"jwks": "{}", "jwksUri": "https://a"}]}, "exclude each other"),
    ("AuthorizationPolicy", {"action": "CUSTOM", "rules": [{}]}, "action CUSTOM has a provider"),
    ("AuthorizationPolicy", {"rules": [{"from": [{"source": {"serviceAccounts": ["a/b/c"]}}]}]}, "serviceAccounts[0]"),
    ("Telemetry", {"selector": {}, "targetRefs": [{"kind": "Service", "name": "a"}]}, "exclude each other"),
    ("WasmPlugin", {"url": "ftp://a"}, "must begin with oci://"),
    ("TrafficExtension", {"match": [{"mode": "CLIENT"}]}, "say wasm or lua"),
    ("EnvoyFilter", {"configPatches": [{"match": {"context": "WAYPOINT", "cluster": {}}}]}, "in the context WAYPOINT"),
    ("ProxyConfig", {"concurrency": -1}, "spec.concurrency"),
]


@pytest.fixture(scope="session")
def definitions(cluster: Cluster) -> Cluster:
    """A cluster with the kinds of the chart."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "helm/flotilla-crds/templates"))
    for kind in WRITTEN:
        cluster.wait(f"crd/{kind.plural}.{kind.group}", "condition=Established")
    return cluster


@pytest.fixture(scope="session")
def cases() -> Path:
    found = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors")) / "today" / "validation"
    if not found.is_dir():
        pytest.skip(f"no vectors at {found}: set FLOTILLA_VECTORS to the folder that holds them")
    return found


async def answers(cluster: Cluster, written: list[dict[str, Any]]) -> list[str]:
    """Of each object why it is refused, or ""."""
    client = KubeClient(KubeConnection.from_kubeconfig(cluster.kubeconfig))
    await client.start()
    try:
        return [await answer(client, each) for each in written]
    finally:
        await client.stop()


async def answer(client: KubeClient, written: dict[str, Any]) -> str:
    kind = kind_of(written["apiVersion"], written["kind"])
    assert kind is not None
    place = "" if kind.cluster_scoped else "/namespaces/default"
    try:
        await client.create(f"/apis/{written['apiVersion']}{place}/{kind.plural}", written, params=DRY)
    except KubeError as error:
        return str(error)
    return ""


def asked(cluster: Cluster, written: list[dict[str, Any]]) -> list[str]:
    with cluster.network():
        return asyncio.run(answers(cluster, written))


def whole(kind: Kind, spec: Any) -> dict[str, Any]:
    return {"apiVersion": kind.api_versions[0], "kind": kind.kind, "metadata": {"name": "case"}, "spec": spec}


def test_what_istios_refuse_is_refused(definitions: Cluster, cases: Path) -> None:
    table = Table("today/validation/crd", DIFFERENT)
    found = list(lines(cases / "crd.jsonl"))
    for case, refused in zip(found, asked(definitions, [case["object"] for case in found]), strict=True):
        table.compare(case["id"], case["valid"], not refused, f"{case['errorContains']} / {refused}")
    table.tell()
    assert table.ran > 50
    assert table.unexplained == []
    assert table.share >= 0.95


def test_what_galley_takes_is_taken(definitions: Cluster, cases: Path) -> None:
    """Whole objects of today, and the example's: the API server refuses none that Galley would distribute."""
    found = [*taken_by_galley(cases), *of_the_example()]
    refused = [(each, text) for each, text in zip(found, asked(definitions, found), strict=True) if text]
    assert len(found) > 100
    assert refused == []


def taken_by_galley(cases: Path) -> Iterator[dict[str, Any]]:
    for case in lines(cases / "kinds.jsonl"):
        written = whole(TODAY[case["kind"]], case["spec"])
        (judged,) = judge("case", json.dumps(written))
        if judged.valid and not any(each.code == "unknown-field" for each in judged.warnings):
            yield written


def of_the_example() -> Iterator[dict[str, Any]]:
    import yaml

    for file in sorted((ROOT / "examples" / "bookinfo").rglob("*.yaml")):
        if "{{" in (text := file.read_text()):
            continue
        for each in yaml.safe_load_all(text):
            if isinstance(each, dict) and kind_of(each.get("apiVersion", ""), each.get("kind", "")):
                yield each | {"metadata": {"name": each["metadata"]["name"]}}


def test_a_refusal_says_what_would_be_right(definitions: Cluster) -> None:
    written = [whole(TODAY[kind], spec) for kind, spec, _ in SAID]
    silent = [(row, text) for row, text in zip(SAID, asked(definitions, written), strict=True) if row[2] not in text]
    assert silent == []

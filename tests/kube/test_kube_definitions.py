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
ENTRY = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry"}
# What is wrong -> what is said.
SAID = [
    ({"hosts": ["a.example.com"], "resolution": "SOMEHOW"}, "supported values"),
    ({"hosts": ["*"]}, "a star alone is no host of a service"),
    ({"hosts": ["a.example.com"], "endpoints": [{"address": "1.1.1.1"}]}, "resolution NONE has no endpoints"),
    ({"hosts": ["a.example.com"], "ports": [{"number": 0, "name": "a"}]}, "spec.ports[0].number"),
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
    written = [{**ENTRY, "metadata": {"name": "a"}, "spec": spec} for spec, _ in SAID]
    for text, (_, wanted) in zip(asked(definitions, written), SAID, strict=True):
        assert wanted in text

"""Istio's own resources beside Pilot's, leaf by leaf: small meshes, and what Istio's tests asked for."""

import copy
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.testing.comparison import Compared, Comparison, Known, Resources, unexplained
from flotilla_pilot.testing.dropped_paths import DROPPED
from flotilla_pilot.testing.meshes import SHORT
from flotilla_pilot.testing.recorded import (
    compile_recorded,
    json_resources,
    registry_entries,
    unrecorded_instances,
    unrecorded_sidecars,
)
from flotilla_pilot.testing.told_differences import lasting_differences, unaligned_differences, write_unaligned

DIFFERENCES = Path(__file__).parent / "resource_differences"
REWRITE = "REWRITE_DIFFERENCES"
MUTATIONS = 200
MOST_DROPPED = 40

OTHER_KINDS = {
    "AuthorizationPolicy": "authorization",
    "RequestAuthentication": "request authentication",
    "Telemetry": "telemetry",
    "TrafficExtension": "telemetry and WebAssembly",
    "HTTPRoute": "the Gateway API is not read",
}
OTHER_CASES = {
    "InferencePool": "the Gateway API's inference extension is not offered",
    "TrafficRedirectionEnabled_unknown_value": "a mode of interception that there is not is refused",
    "wasm__stats__authz": "telemetry",
    "k8s-own-auto-protocol": "input missing: `targetPort` of Service client2, which every API server fills in",
    "TestSidecarLocalityLB_2": "input missing: `localityLbSetting.failover`, which is empty there and not absent",
    "TestSidecarInboundListenerFilters": "input missing: the Sidecar of the proxy, with `tls` at its way in for port 80",
    "QUICAndExactBalance": "input missing: the proxy's own instances, of which the answer shows that they speak TCP at 8080",
}
AS_ISTIO = MeshSettings(sidecar_ingress_tls=False, resolve_unknown_names=False, resolve_external_names=False)
VARIABLES = {"ISTIO_DUAL_STACK": "dual_stack", "ENABLE_TLS_ON_SIDECAR_INGRESS": "sidecar_ingress_tls"}
"""Of istiod's environment, by what Pilot is told the same."""

SETTINGS = {"TestGatewayServices_overlapping_SNI_match": replace(AS_ISTIO, domain="")}
"""Of cases whose objects have no domain."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    documents: list[dict[str, Any]]
    mesh: Mapping[str, Any] | None
    proxy: Mapping[str, Any]
    expected: Resources
    environment: Mapping[str, Any]

    @property
    def settings(self) -> MeshSettings:
        """As Istio does by default, where Pilot can be told to."""
        settings = next((each for part, each in SETTINGS.items() if part in self.name), AS_ISTIO)
        told = {VARIABLES[name]: value == "true" for name, value in self.environment.items() if name in VARIABLES}
        return replace(settings, **told)

    @property
    def skipped(self) -> str:
        """Why the case is not compared; empty where it is."""
        unknown = sorted(self.environment.keys() - VARIABLES.keys())
        if unknown:
            return f"not known to the environment: {', '.join(unknown)}"
        kinds = [OTHER_KINDS[each["kind"]] for each in self.documents if each["kind"] in OTHER_KINDS]
        return next((why for part, why in OTHER_CASES.items() if part in self.name), kinds[0] if kinds else "")


@dataclass(frozen=True, slots=True)
class Played:
    case: Case
    made: Resources
    result: Compared


def small_meshes(folder: Path) -> Iterator[Case]:
    for each in sorted(folder.iterdir()):
        mesh = each / "mesh.yaml"
        expected = {kind: json.loads((each / "expected" / f"{kind}.json").read_text()) for kind in SHORT}
        yield Case(
            name=f"golden/{each.name}",
            documents=documents(each / "config.yaml"),
            mesh=(documents(mesh) or [None])[0] if mesh.exists() else None,
            proxy={"metadata": {"CLUSTER_ID": "Kubernetes"}, **documents(each / "proxy.yaml")[0]},
            expected=by_name(expected),
            environment={},
        )


def documents(file: Path) -> list[Any]:
    """The documents of a file; milliseconds are written as protobuf has them."""
    text = re.sub(r"\b(\d+)ms\b", lambda found: f"{int(found[1]) / 1000}s", file.read_text())
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def asked_by_tests(folder: Path) -> Iterator[Case]:
    for file in sorted(folder.glob("*.json")):
        case = json.loads(file.read_text())
        given, proxy = case["input"], case["proxy"]
        native = [each for found in given.get("kubernetes", {}).values() for each in found]
        instances = given.get("instances") or unrecorded_instances(case)
        entries = registry_entries({**given, "instances": instances}, proxy)
        yield Case(
            name=case["id"],
            documents=[*given["configs"], *unrecorded_sidecars(case), *native, *entries],
            mesh=given.get("meshConfig"),
            proxy=proxy,
            expected=by_name(case["xds"]),
            environment=case["environment"],
        )


def by_name(resources: Mapping[str, list[dict[str, Any]]]) -> Resources:
    return {
        kind: {str(each.get("name") or each["clusterName"]): each for each in found}
        for kind, found in resources.items()
    }


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return Comparison(DROPPED)


@pytest.fixture(scope="module")
def lasting() -> list[Known]:
    return lasting_differences(DIFFERENCES)


@pytest.fixture(scope="module")
def known(played: list[Played], lasting: list[Known]) -> list[Known]:
    """All that is told; what is still to be aligned is written anew where the environment asks for it."""
    if os.environ.get(REWRITE):
        found = [(each.case.name, each.result.differences) for each in played]
        left = ((name, one) for name, differ in found for one in unexplained(name, differ, lasting, Counter()))
        write_unaligned(DIFFERENCES, left)
    return [*lasting, *unaligned_differences(DIFFERENCES)]


@pytest.fixture(scope="module")
def cases(vectors: Path) -> list[Case]:
    today = vectors / "today"
    return [*small_meshes(today / "golden"), *asked_by_tests(today / "xds-from-tests")]


@pytest.fixture(scope="module")
def played(cases: list[Case], comparison: Comparison) -> list[Played]:
    found = []
    for case in cases:
        if not case.skipped:
            made = json_resources(compile_recorded(case.documents, case.mesh, case.proxy, case.settings))
            only_used = case.proxy["type"] == "router"
            found.append(Played(case, made, comparison.compare(case.expected, made, all_needed=not only_used)))
    return found


@pytest.mark.parametrize("table", ["golden", "xds-from-tests"])
def test_what_differs_is_told(table: str, cases: list[Case], played: list[Played], known: list[Known]) -> None:
    used: Counter[str] = Counter()
    here = [each for each in played if each.case.name.startswith(f"{table}/")]
    skipped = Counter(each.skipped for each in cases if each.skipped and each.name.startswith(f"{table}/"))
    wrong = []
    for each in here:
        left = unexplained(each.case.name, each.result.differences, known, used)
        wrong += [f"{each.case.name} {one.what} {one.resource}{one.place} {one.value}" for one in left]
    differ = sum(bool(each.result.differences) for each in here)
    print(f"today/{table}: {len(here)} ran, {sum(skipped.values())} skipped, {differ} differ")
    for reason, number in sorted(skipped.items()):
        print(f"  {number} cases skipped: {reason}")
    for reason, number in used.most_common():
        print(f"  {number} leaves differ: {reason}")
    assert len(here) > 60
    assert wrong == [], "\n".join(wrong[:200])


def test_every_difference_that_lasts_is_there(played: list[Played], lasting: list[Known]) -> None:
    used: Counter[str] = Counter()
    for each in played:
        unexplained(each.case.name, each.result.differences, lasting, used)
    assert [each.reason for each in lasting if not used[each.reason]] == []


def test_every_difference_that_is_to_be_aligned_is_there(played: list[Played], known: list[Known]) -> None:
    found = {(each.case.name, one.what) for each in played for one in each.result.differences}
    told = {pair for each in unaligned_differences(DIFFERENCES) for pair in each.pairs()}
    assert sorted(told - found) == [], f"the lists are written anew with {REWRITE}=1"


def test_most_leaves_are_compared(played: list[Played]) -> None:
    for each in played:
        result = each.result
        print(f"{each.case.name}: {result.compared} of {result.leaves} leaves, {len(result.differences)} differ")
    every, compared = (sum(getattr(each.result, name) for each in played) for name in ("leaves", "compared"))
    print(f"{compared} of {every} leaves are compared, {compared / every:.1%}")
    assert compared >= 0.85 * every


def test_few_paths_are_dropped_and_each_has_its_reason() -> None:
    assert len(DROPPED) <= MOST_DROPPED
    assert all(DROPPED.values())


def test_a_changed_leaf_is_seen(played: list[Played], comparison: Comparison, known: list[Known]) -> None:
    leaves = [(each, *leaf) for each in played for leaf in comparison.comparable(each.case.expected, each.made)]
    unseen = []
    for each, kind, name, where in random.Random(6).sample(leaves, MUTATIONS):
        resource = copy.deepcopy(each.case.expected[kind][name])
        change(resource, where)
        changed = set(comparison.of(kind, name, resource, each.made[kind][name]))
        if not unexplained(each.case.name, changed - set(each.result.differences), known, Counter()):
            unseen.append((each.case.name, kind, name, where))
    print(f"{MUTATIONS - len(unseen)} of {MUTATIONS} changed leaves are seen")
    assert len(unseen) <= MUTATIONS // 20, "\n".join(map(str, unseen))


def change(resource: Any, where: tuple[str | int, ...]) -> None:
    """Put another value at a place."""
    *above, last = where
    for step in above:
        resource = resource[step]
    value = resource[last]
    if isinstance(value, bool):
        resource[last] = not value
    elif isinstance(value, int | float):
        resource[last] = value + 1
    else:
        resource[last] = f"{value}x" if isinstance(value, str) else {"changed": True}

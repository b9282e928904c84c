"""Istio's own tables for EnvoyFilter. What is skipped or differs is listed with its reason."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf import json_format

from flotilla_pilot.compile.patches.clusters import matches_cluster
from flotilla_pilot.compile.patches.patch import Operation, Patch
from flotilla_pilot.compile.patches.places import place
from flotilla_pilot.compile.patches.route_matching import matches_host, matches_route, matches_table
from flotilla_pilot.compile.patches.routes import patch_table
from flotilla_pilot.compile.patches.selection import matches_proxy
from flotilla_pilot.compile.patches.turn import Turn
from flotilla_pilot.testing.meshes import Compiled
from flotilla_pilot.testing.recorded import compile_recorded
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_values import build_value
from flotilla_shared.model.objects import ObjectKey

NO_PATCHES = "the patches themselves are no part of the row"
NO_KEYS = "which objects a resource depends on is told by resource here, not by kind of patch"
KEY = ObjectKey("envoyfilters", "default", "row")
Runner = Callable[[dict[str, Any]], bool]


def patch_of(
    match: dict[str, Any], apply_to: int = 0, operation: int = 0, value: dict[str, Any] | None = None
) -> Patch:
    stated = json_format.ParseDict(match, EnvoyFilter.EnvoyConfigObjectMatch())
    made = None
    if value is not None:
        given = EnvoyFilter.Patch()
        given.value.update(value)
        made = build_value(apply_to, given.value)
    return Patch((KEY, "1"), 0, apply_to, operation, stated, made)


def match_of(args: dict[str, Any]) -> Patch:
    return patch_of(args["cp"]["Match"])


def cluster_match(case: dict[str, Any]) -> bool:
    args, host = case["args"], case["args"].get("host")
    cluster = json_format.ParseDict(args["cluster"], Cluster())
    found = matches_cluster(cluster.name, (host,) if host else (), patch_of(args["matchCondition"]))
    return found is case.get("want", False)


def host_match(case: dict[str, Any]) -> bool:
    host = json_format.ParseDict(case["args"].get("vh", {}), VirtualHost())
    return matches_host(host, match_of(case["args"])) is case.get("want", False)


def table_match(case: dict[str, Any]) -> bool:
    args = case["args"]
    ports = {int(own): frozenset(map(int, numbers)) for own, numbers in args.get("portMap", {}).items()}
    name = args.get("rc", {}).get("name", "")
    return matches_table(name, match_of(args), args["patchContext"], ports) is case.get("want", False)


def route_match(case: dict[str, Any]) -> bool:
    given = case["args"].get("httpRoute")
    if given is None:
        return case.get("want", False) is False  # here a route is always there
    return matches_route(json_format.ParseDict(given, Route()), match_of(case["args"])) is case.get("want", False)


def patch_route(case: dict[str, Any]) -> bool:
    args = case["args"]
    table = json_format.ParseDict(args["routeConfiguration"], RouteConfiguration())
    table.virtual_hosts.append(json_format.ParseDict(args["virtualHost"], VirtualHost()))
    patches = tuple(
        patch_of(each["Match"], each["ApplyTo"], each["Operation"], each["Value"])
        for found in args["patches"].values()
        for each in found
    )
    patch_table(table, Turn(args["patchContext"], patches))
    return json_format.MessageToDict(table.virtual_hosts[0]) == case["want"]


def insert(case: dict[str, Any]) -> bool:
    operations = {
        "insertAfter": Operation.INSERT_AFTER,
        "insertBefore": Operation.INSERT_BEFORE,
        "replace": Operation.REPLACE,
    }
    for name, operation in operations.items():
        held = list(case["input"])
        put = place(held, operation, 10, lambda each: each == 1)
        if (held, put) != (case.get(name, case["input"]), case.get("applied", False)):
            return False
    return True


def proxy_match(case: dict[str, Any]) -> bool:
    stated = patch_of(case["config"]["configPatches"][0]["match"]).match.proxy
    return all(matches_proxy(stated, version, {}) is wanted for version, wanted in case["matches"].items())


RUNNERS: dict[str, Runner] = {
    "Test_clusterMatch": cluster_match,
    "Test_virtualHostMatch": host_match,
    "Test_routeConfigurationMatch": table_match,
    "Test_routeMatch": route_match,
    "TestPatchHTTPRoute": patch_route,
    "TestReplaceAndInsert": insert,
    "TestEnvoyFilterMatch": proxy_match,
}
SKIPPED = {"TestKeysApplyingTo": NO_KEYS}


def rows(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file in (*sorted(folder.glob("envoyfilter-*.jsonl")), folder / "model-envoyfilter.jsonl"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            yield row["id"], row["id"].split("/")[2], row["case"]


def test_tables(vectors: Path) -> None:
    counts: Counter[str] = Counter()
    why: Counter[str] = Counter()
    wrong = []
    for identity, test, case in rows(vectors / "today" / "tables"):
        runner = RUNNERS.get(test)
        if runner is None:
            counts["skipped"] += 1
            why[SKIPPED.get(test, NO_PATCHES)] += 1
            continue
        counts["ran"] += 1
        host = case.get("host")
        if not runner({**case, "args": {**case.get("args", {}), "host": host}} if host else case):
            wrong.append(identity)
    print(f"today/tables/envoyfilter: {counts['ran']} ran, {counts['skipped']} skipped, {len(wrong)} differ")
    for reason, number in sorted(why.items()):
        print(f"  {number} skipped: {reason}")
    assert counts["ran"] >= 20
    assert wrong == []


def compile_folder(folder: Path) -> Compiled:
    documents = [each for each in yaml.safe_load_all((folder / "config.yaml").read_text()) if each]
    return compile_recorded(documents, None, yaml.safe_load((folder / "proxy.yaml").read_text()))


def snake(tree: Any) -> Any:
    """JSON names of fields as protobuf has them."""
    if isinstance(tree, dict):
        return {re.sub("([A-Z])", r"_\1", name).lower(): snake(each) for name, each in tree.items()}
    return [snake(each) for each in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("name", ["ef-cluster-merge", "ef-http-filter", "ef-listener-hcm", "ef-route"])
def test_what_the_small_meshes_patch(name: str, vectors: Path) -> None:
    """The patched parts to the letter, and how often they are there."""
    folder = vectors / "today" / "golden" / name
    compiled = compile_folder(folder)
    expected = {kind: snake(json.loads((folder / "expected" / f"{kind}.json").read_text())) for kind in SEEN}
    made = {kind: list(compiled.tree()[kind].values()) for kind in SEEN}
    assert compiled.problems() == []
    for kind, parts in SEEN.items():
        for part in parts:
            wanted = sorted(map(in_order, found_parts(expected[kind], part)))
            assert sorted(map(in_order, found_parts(made[kind], part))) == wanted
    assert any(found_parts(expected[kind], part) for kind, parts in SEEN.items() for part in parts)


SEEN = {
    "clusters": [("name", "added"), ("connect_timeout", "0.250s")],
    "listeners": [("name", "envoy.filters.http.lua"), ("server_name", "flotilla"), ("idle_timeout", "30s")],
    "routes": [("name", "extra"), ("timeout", "9s")],
}
"""What only patches make: fields by name and value."""


def in_order(tree: Any) -> str:
    return json.dumps(tree, sort_keys=True)


def found_parts(tree: Any, part: tuple[str, str]) -> list[Any]:
    """Every value of the named field; of a `name` what else stands beside it."""
    name, value = part
    if isinstance(tree, list):
        return [found for each in tree for found in found_parts(each, part)]
    if not isinstance(tree, dict):
        return []
    own = [{**tree}] if name == "name" and tree.get(name) == value else []
    own += [value] if name != "name" and tree.get(name) == value else []
    return own + [found for each in tree.values() for found in found_parts(each, part)]

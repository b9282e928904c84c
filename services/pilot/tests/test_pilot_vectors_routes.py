"""Istio's own cases of routes, hosts and gateways, rule by rule. What differs is listed with its reason."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.model.delegation import conflict, merge_matches, merge_rule
from flotilla_pilot.model.route_rules import build_route_rules, full_gateway
from flotilla_pilot.testing.meshes import read_object
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest, HTTPRoute
from flotilla_shared.model.problems import ProblemLog

Row = dict[str, Any]
Check = Callable[[Row], tuple[Any, Any]]
"""A row to what is found and what is wanted."""


class Skipped(Exception):
    """The row cannot be played; the text says why."""


def rows(path: Path) -> Iterator[Row]:
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)


def parse(message: Any, tree: Any) -> Any:
    return json_format.ParseDict(tree or {}, message())


def trees(messages: Any) -> Any:
    return None if messages is None else [json_format.MessageToDict(each) for each in messages]


def parsed(message: Any, given: Any) -> list[Any]:
    return [parse(message, each) for each in given or ()]


# -- delegates (model-virtualservice, model-virtualservice_controller)


def merged_rules(case: Row) -> tuple[Any, Any]:
    root = parse(HTTPRoute, case["root"])
    found = [merge_rule(root, each) for each in parsed(HTTPRoute, case["delegate"])]
    return trees(each for each in found if each is not None), trees(parsed(HTTPRoute, case.get("expected")))


def merged_matches(case: Row) -> tuple[Any, Any]:
    root, delegate = (parsed(HTTPMatchRequest, case.get(side)) for side in ("root", "delegate"))
    wanted = case.get("expected")
    return trees(merge_matches(root, delegate)), trees(parsed(HTTPMatchRequest, wanted)) if wanted else None


def conflicts(case: Row) -> tuple[Any, Any]:
    root, leaf = (parse(HTTPMatchRequest, case.get(side)) for side in ("root", "leaf"))
    return conflict(root, leaf), case.get("expected", False)


def virtual_services(case: Row) -> tuple[Any, Any]:
    """The rules left of each root; hosts are compared as far as they are named in full."""
    objects = [_object(each, number) for number, each in enumerate(case["virtualServices"])]
    found = build_route_rules(objects, "cluster.local", case["defaultExportTo"], ProblemLog())
    wanted = [_object(each, 0) for each in case["expectedVirtualServices"]]
    named = [(each.item.key.full_name, _whole(each.spec)) for each in found]
    return named, [(each.key.full_name, _whole(each.spec)) for each in wanted]


def _object(given: Row, number: int) -> Any:
    kind = given["Meta"]["GroupVersionKind"]
    metadata = {"name": given["Meta"]["Name"], "namespace": given["Meta"]["Namespace"]}
    document = {"apiVersion": f"{kind['Group']}/{kind['Version']}", "kind": kind["Kind"], "metadata": metadata}
    return read_object({**document, "spec": given["Spec"]}, number)


def _whole(spec: Any) -> Any:
    return json_format.MessageToDict(spec)


def gateway_names(case: Row) -> tuple[Any, Any]:
    return full_gateway(case["gateway"], case["namespace"]), case["resolved"]


# -- the tables

TABLES: dict[str, dict[str, Check]] = {
    "model-virtualservice": {
        "TestMergeHttpRoutes": merged_rules,
        "TestMergeHTTPMatchRequests": merged_matches,
        "TestHasConflict": conflicts,
        "TestResolveGatewayName": gateway_names,
    },
    "model-virtualservice_controller": {"TestControllerMergeVirtualServices": virtual_services},
}
SKIPPED = {
    "TestSelectVirtualServicesExclusion": "what is excluded is a function of Go, left out of the row",
    "TestXDSPushSuppression": "which change is written is not in the row",
}
"""Tests whose rows say too little, by the beginning of their names."""

DIFFERENT: dict[str, str] = {}
"""By id."""


def play(checks: dict[str, Check], row: Row, counts: Counter[str]) -> str:
    """What is wrong with the answer; empty if nothing is, or the row cannot be played."""
    test = row["id"].split("/")[2].partition("#")[0]
    check = checks.get(test)
    if check is None:
        counts["skipped: " + next(why for start, why in SKIPPED.items() if test.startswith(start))] += 1
        return ""
    try:
        found, wanted = check(row["case"])
    except Skipped as skipped:
        counts[f"skipped: {skipped}"] += 1
        return ""
    counts["ran"] += 1
    return "" if found == wanted else f"found {found}, wanted {wanted}"


def tell(table: str, counts: Counter[str], different: Counter[str]) -> None:
    skipped = {why: number for why, number in counts.items() if why != "ran"}
    print(f"{table}: {counts['ran']} ran, {sum(skipped.values())} skipped, {sum(different.values())} differ")
    for why, number in sorted([*skipped.items(), *different.items()]):
        print(f"  {number} {why}")


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_the_table(table: str, vectors: Path) -> None:
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    wrong = []
    for row in rows(vectors / "today" / "tables" / f"{table}.jsonl"):
        text, reason = play(TABLES[table], row, counts), DIFFERENT.get(row["id"], "")
        if text and reason:
            different[reason] += 1
        elif text or reason:
            wrong.append((row["id"], text or "listed as different, and is not"))
    tell(table, counts, different)
    assert counts["ran"] > 0
    assert wrong == [], "\n".join(map(str, wrong))

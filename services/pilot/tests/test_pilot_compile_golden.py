"""In/out pairs under golden/: the YAML that users write, and what one proxy gets of it.

`NAME.in.yaml` begins with a document that says for whom to compile and what to show; the objects follow.
`NAME.out.yaml` holds the resources shown and the problems. Blocks that recur everywhere have names, below.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_pilot.compile.access_log import access_logs, unmatched_logs
from flotilla_pilot.compile.connection_pool import apply_limits
from flotilla_pilot.compile.retries import retry_policy
from flotilla_pilot.compile.sources import ads, sds
from flotilla_pilot.compile.tls import MESH_CIPHERS, modern
from flotilla_pilot.compile.tracing import tracing
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.proxy_options import ProxyOptions
from flotilla_pilot.testing.meshes import SHORT, Compiled, Mesh, as_dict, make_proxy

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(each.name.removesuffix(".in.yaml") for each in GOLDEN.glob("*.in.yaml"))
REWRITE = "REWRITE_GOLDEN"


def compile_case(name: str) -> tuple[dict[str, Any], Mesh, Compiled]:
    """The head of a case, its mesh, and what its proxy gets; `include` names a case whose objects are used too."""
    head, _, objects = (GOLDEN / f"{name}.in.yaml").read_text().partition("\n---\n")
    case = yaml.safe_load(head)
    if "include" in case:
        objects = (GOLDEN / f"{case['include']}.in.yaml").read_text().partition("\n---\n")[2] + "\n---\n" + objects
    mesh, stated = Mesh(objects), dict(case["proxy"])
    proxy = make_proxy(stated.pop("name"), LABELS=stated.pop("labels", {}), **stated)
    return case, mesh, mesh.compile(proxy)


def known_blocks(mesh: Mesh) -> list[tuple[Any, str]]:
    """What recurs in every resource, and its name in the files."""
    from envoy.config.cluster.v3.cluster_pb2 import Cluster

    cluster = Cluster()
    apply_limits(cluster, None, None, mesh.snapshot.mesh.clusters)
    logs, unmatched = access_logs(mesh.snapshot.mesh), unmatched_logs(mesh.snapshot.mesh)
    return [
        (as_dict(ads()), "<ads>"),
        (as_dict(sds()), "<sds>"),
        (as_dict(sds(5)), "<sds, 5s>"),
        (as_dict(modern()), "<TLS 1.2 to 1.3>"),
        (as_dict(tracing(ProxyOptions("default", "Kubernetes"))), "<tracing>"),
        ({**as_dict(modern()), "cipher_suites": list(MESH_CIPHERS)}, "<TLS 1.2 to 1.3 of the mesh>"),
        (as_dict(retry_policy(None, None)), "<default retries>"),
        (as_dict(cluster.circuit_breakers), "<no limits>"),
        ([as_dict(each) for each in logs], "<access log>"),
        ([as_dict(each) for each in unmatched], "<access log of unmatched>"),
    ]


def shorten(tree: Any, blocks: list[tuple[Any, str]]) -> Any:
    for block, name in blocks:
        if block and tree == block:
            return name
    if isinstance(tree, dict):
        return {key: shorten(value, blocks) for key, value in tree.items()}
    return [shorten(each, blocks) for each in tree] if isinstance(tree, list) else tree


def outcome(case: dict[str, Any], mesh: Mesh, compiled: Compiled) -> dict[str, Any]:
    """What the case shows: `show` maps a kind to the names to show in full; of other kinds the names."""
    blocks, tree = known_blocks(mesh), compiled.tree()
    answer: dict[str, Any] = {}
    for kind in SHORT:
        wanted = case["show"].get(kind)
        shown = {name: each for name, each in tree[kind].items() if wanted and name in wanted}
        answer[kind] = shorten(shown, blocks) if wanted else list(tree[kind])
        assert len(shown) == len(wanted or ()), f"{kind} {wanted} are not all in {list(tree[kind])}"
    problems = {**dict(mesh.snapshot.problems), **dict(compiled.compiled.problems)}
    answer["problems"] = [
        {"object": key.full_name, "field": each.field, "code": each.code, "text": each.text}
        for key, found in sorted(problems.items())
        for each in found
    ]
    return answer


@pytest.mark.parametrize("name", CASES)
def test_compiles_as_the_golden_says(name: str) -> None:
    found = yaml.safe_dump(outcome(*compile_case(name)), width=110)
    path = GOLDEN / f"{name}.out.yaml"
    if os.environ.get(REWRITE):
        path.write_text(found)
    expected = path.read_text() if path.exists() else ""
    command = f"{REWRITE}=1 python -m pytest -q {Path(__file__).name} -k 'golden and {name}'"
    assert found == expected, f"if the difference is meant, rewrite the golden with\n  {command}"


@pytest.mark.parametrize("name", CASES)
def test_envoy_takes_the_golden(name: str, validate: Callable[[Compiled], None]) -> None:
    validate(compile_case(name)[2])


def test_every_golden_has_its_case() -> None:
    outs = sorted(each.name.removesuffix(".out.yaml") for each in GOLDEN.glob("*.out.yaml"))
    assert outs == CASES
    assert CASES


def test_labels_of_a_case_reach_the_proxy() -> None:
    assert make_proxy("a", LABELS={"x": "y"}).labels == FrozenMap({"x": "y"})

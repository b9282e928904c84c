"""Every configuration of the examples, the vectors and the benchmarks, held out to one real Envoy on Pilot's own ADS."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CLUSTER, LISTENER, TYPES, CompiledProxy, make_resource
from flotilla_pilot.offline.cases import settings_of
from flotilla_pilot.offline.proxies import read_proxy
from flotilla_pilot.testing.acceptance import standing_envoy
from flotilla_pilot.testing.benchmarks import benchmark_meshes
from flotilla_pilot.testing.everyone import proxies_of, readable
from flotilla_pilot.testing.recorded import compile_recorded, recorded_snapshot, registry_entries, unrecorded_instances

BOOKINFO = Path(__file__).parents[3] / "examples" / "bookinfo"
Case = tuple[str, CompiledProxy]

MOST_SERVICES = 50
"""In a mesh: a thousand of them differ by a number only."""

NO_FOLDER = (
    "cannot bind '/@foo/bar/com': No such file or directory: the Sidecar names a socket in a folder that is not there"
)
REFUSED: dict[str, str] = {
    f"validation/TestValidateSidecar_{case} sidecar~127.0.1.{number}~{name}.bar~bar.svc.cluster.local": NO_FOLDER
    for case in ("duplicate_UDS_bind", "invalid_capture_mode_with_uds_bind")
    for number, name in ((1, "client"), (2, "bound"))
}
"""Configurations that Envoy does not take, by name, with its own words and why nothing else can be sent."""


def small_meshes(today: Path) -> Iterator[Case]:
    for folder in sorted((today / "golden").iterdir()):
        mesh = list(documents(folder / "mesh.yaml")) if (folder / "mesh.yaml").exists() else []
        (proxy,) = documents(folder / "proxy.yaml")
        held = readable(documents(folder / "config.yaml"))
        yield f"golden/{folder.name}", compile_recorded(held, mesh[0] if mesh else None, proxy).compiled


def documents(file: Path) -> Iterator[Any]:
    """The documents of a file; milliseconds are written as protobuf has them."""
    text = re.sub(r"\b(\d+)ms\b", lambda found: f"{int(found[1]) / 1000}s", file.read_text())
    return (each for each in yaml.load_all(text, yaml.CSafeLoader) if each)


def asked_by_tests(today: Path) -> Iterator[Case]:
    for file in sorted((today / "xds-from-tests").glob("*.json")):
        case = json.loads(file.read_text())
        if case["proxy"].get("metadata", {}).get("INTERCEPTION_MODE") not in MODES:
            continue
        given = {**case["input"], "instances": case["input"].get("instances") or unrecorded_instances(case)}
        held = [*objects_of(given), *registry_entries(given, case["proxy"])]
        yield case["id"], compile_recorded(held, given.get("meshConfig"), case["proxy"]).compiled


MODES = (None, "", "REDIRECT", "TPROXY", "NONE")
"""A proxy of another one is refused when it connects."""


def objects_of(given: dict[str, Any]) -> Iterable[Any]:
    native = (each for found in given.get("kubernetes", {}).values() for each in found)
    return [*readable(given["configs"]), *readable(native)]


def simulated(today: Path) -> Iterator[Case]:
    for file in sorted((today / "simulation").glob("*.json")):
        case = json.loads(file.read_text())
        settings = settings_of(case.get("environment") or {})
        snapshot = recorded_snapshot(objects_of(case["input"]), case["input"].get("meshConfig"), settings)
        yield f"simulation/{file.stem}", Compiler().compile(snapshot, read_proxy(case.get("proxy") or {}))


def templates(today: Path) -> Iterator[Case]:
    for each in benchmark_meshes(today / "benchmarks", MOST_SERVICES):
        yield f"benchmarks/{each.name}", Compiler().compile(each.snapshot(), each.proxy)


def benches() -> Iterator[Case]:
    """The meshes that the project measures itself with."""
    scopes = pytest.importorskip("bench.scopes", reason="the benchmarks are not beside the services")
    for hosts in ("./*", "*/*"):
        yield f"bench/scopes {hosts}", Compiler().compile(scopes.snapshot_of(hosts, MOST_SERVICES), scopes.client(1))
    world = pytest.importorskip("bench.kubernetes").World(MOST_SERVICES)
    world.convert()
    world.build()
    yield "bench/kubernetes", world.compile(world.client(1))


def files(folder: Path) -> Iterator[Case]:
    """Files of objects, each as a mesh of its own, for everybody whom it concerns."""
    for file in sorted(folder.rglob("*.yaml")):
        yield from everyone(str(file.relative_to(folder.parent)), parsed(file))


def parsed(file: Path) -> list[Any]:
    """The documents of a file; none of one that is no YAML, for there are such among the inputs of analyzers."""
    try:
        return list(documents(file))
    except yaml.YAMLError:
        return []


def everyone(name: str, held: Iterable[Any]) -> Iterator[Case]:
    found = list(readable(held))
    snapshot, compiler = recorded_snapshot(found, None), Compiler()
    for proxy in proxies_of(found):
        yield f"{name} {proxy.node_id}", compiler.compile(snapshot, proxy)


def single_objects(today: Path) -> Iterator[Case]:
    """What validation is asked about, valid or not."""
    for line in (today / "validation" / "kinds.jsonl").read_text().splitlines():
        row = json.loads(line)
        document = {"apiVersion": f"{GROUPS.get(row['kind'], 'networking')}.istio.io/v1", **row}
        yield from everyone(row["id"], [document])


GROUPS = {"PeerAuthentication": "security", "AuthorizationPolicy": "security", "RequestAuthentication": "security"}


def examples() -> Iterator[Case]:
    local = [each for file in sorted((BOOKINFO / "local" / "config").glob("*.yaml")) for each in documents(file)]
    cluster = list(documents(BOOKINFO / "kubernetes" / "bookinfo.yaml"))
    for base, plays in ((local, BOOKINFO / "local" / "play"), (cluster, BOOKINFO / "kubernetes" / "istio")):
        yield from everyone("bookinfo", base)
        for file in sorted(plays.glob("*.yaml")):
            yield from everyone(f"bookinfo/{file.name}", [*base, *documents(file)])


PARTS: dict[str, tuple[Callable[[Path], Iterator[Case]], int]] = {
    "today/golden": (lambda vectors: small_meshes(vectors / "today"), 70),
    "today/xds-from-tests": (lambda vectors: asked_by_tests(vectors / "today"), 150),
    "today/simulation": (lambda vectors: simulated(vectors / "today"), 30),
    "today/benchmarks": (lambda vectors: templates(vectors / "today"), 15),
    "today/validation": (lambda vectors: single_objects(vectors / "today"), 200),
    "today/analysis": (lambda vectors: files(vectors / "today" / "analysis"), 150),
    "today/authz": (lambda vectors: files(vectors / "today" / "authz"), 50),
    "1.4/samples": (lambda vectors: files(vectors / "1.4" / "files" / "samples"), 150),
    "1.4/conformance": (lambda vectors: files(vectors / "1.4" / "files" / "conformance"), 20),
    "examples": (lambda _: examples(), 60),
    "bench": (lambda _: benches(), 3),
}
"""Where the configurations of each part come from, and how many proxies there are at least."""


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.timeout(240)
def test_envoy_takes_every_configuration(part: str, vectors: Path, binary: Path, tmp_path: Path) -> None:
    make, least = PARTS[part]
    refused: list[str] = []
    ran = 0
    with standing_envoy(binary, tmp_path) as envoy:
        for name, compiled in make(vectors):
            ran += 1
            if name not in REFUSED:
                refused += [f"{name}: {resource}: {text}" for resource, text in envoy.refusals(compiled).items()]
        updates = envoy.rejected_updates()
    print(f"{part}: {ran} configurations held out to Envoy")
    assert refused == [], "\n".join(refused)
    assert updates == {}
    assert ran >= least


def test_what_envoy_refuses_is_told(binary: Path, tmp_path: Path) -> None:
    """By the resource, and the next configuration is taken again."""
    cluster = make_resource(CLUSTER, "broken", b"\n\x06broken\x22\x02\x08\x00", ())
    nothing = {each: {} for each in TYPES}
    listener = make_resource(LISTENER, "l", b"\n\x01l", ())
    with standing_envoy(binary, tmp_path) as envoy:
        assert "l" in envoy.refusals(CompiledProxy({**nothing, LISTENER: {"l": listener}}, {}))
        assert "broken" in envoy.refusals(CompiledProxy({**nothing, CLUSTER: {"broken": cluster}}, {}))
        assert envoy.refusals(CompiledProxy(nothing, {})) == {}
        assert envoy.rejected_updates()

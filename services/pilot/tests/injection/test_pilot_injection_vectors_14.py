"""What still means the same as in Istio 1.4: which objects are injected, and what of their traffic is captured.

1.4's container is another one; it is not compared. Cases with a template of their own have nothing to compare with.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from flotilla_pilot.injection.context import Injector, MeshFacts
from flotilla_pilot.injection.document import at, listing, named
from flotilla_pilot.injection.documents import PLACES, inject_object, read_documents
from flotilla_pilot.injection.settings import InjectionValues
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

ROOT = Path(__file__).parents[4]
TABLES = {"injection": 20, "injection_values": 8}  # with the fewest cases that a table must have
FLAGS = ("-m", "-i", "-x", "-b", "-o", "-k")

CNI = "with the CNI plug-in, which Flotilla has not"
PORTS = "1.4 left the values' includeInboundPorts out of account; they count here, as today"
IGNORED = "1.4's kube-inject did not ask the annotation; here it decides, as it does in the webhook"
AGAIN = "1.4 let be what was injected; here it is injected anew, by its annotations"
SKIPPED = {"hello.yaml.cni.injected": CNI}
DIFFERENT = {
    "hello-tproxy.yaml.injected": PORTS,
    "traffic-params.yaml.injected": PORTS,
    "traffic-params-empty-includes.yaml.injected": PORTS,
    "hello-ignore.yaml.injected": IGNORED,
    "hello.yaml.injected-again": AGAIN,
}


@pytest.fixture(scope="module")
def vectors() -> Path:
    folder = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set FLOTILLA_VECTORS to the folder that holds them")
    return folder / "1.4"


def pods(content: Any) -> Iterator[Any]:
    """Every pod that objects make."""
    if content.get("kind") == "List":
        for each in listing(content.get("items")):
            yield from pods(each)
    elif content.get("kind") in PLACES:
        yield at(content, *PLACES[content["kind"]]) if PLACES[content["kind"]] else content


def captured(pod: Any) -> dict[str, str] | None:
    """The flags that say what is captured; None for a pod without a proxy."""
    if named(listing(at(pod, "spec", "containers")), "istio-proxy") is None:
        return None
    init = named(listing(at(pod, "spec", "initContainers")), "istio-init") or {}
    words = [str(each) for each in [*(init.get("command") or ()), *(init.get("args") or ())]]
    given = dict(pairwise(words))
    return {flag: given.get(flag, "") for flag in FLAGS}


def injector_of(case: dict[str, Any]) -> Injector:
    default = case.get("mesh", {}).get("defaultConfig", {})
    mesh = MeshFacts(default_config=json_format.ParseDict(default, ProxyConfig(), ignore_unknown_fields=True))
    return Injector(values=InjectionValues(case.get("values", {})), mesh=mesh)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_is_captured(table: str, vectors: Path) -> None:
    counts: Counter[str] = Counter()
    failures: dict[str, Any] = {}
    for line in (vectors / "pilot" / f"{table}.jsonl").read_text().splitlines():
        case = json.loads(line)
        name = case["id"].rpartition("/")[2]
        if name in SKIPPED:
            counts[f"skipped: {SKIPPED[name]}"] += 1
            continue
        given = list(read_documents((vectors / "files" / case["input"]).read_text()))
        wanted = yaml.safe_load_all((vectors / "files" / case["expected"]).read_text())
        found = [captured(pod) for each in given for pod in pods(inject_object(injector_of(case), each))]
        expected = [captured(pod) for each in wanted if each for pod in pods(each)]
        counts[f"different: {DIFFERENT[name]}" if name in DIFFERENT else "ran"] += 1
        if (found != expected) is not (name in DIFFERENT):
            failures[name] = (expected, found)
    print(f"{table}: {dict(counts)}")
    assert sum(counts.values()) >= TABLES[table]
    assert not failures, "\n".join(f"{name}: {pair}" for name, pair in failures.items())

"""What Pilot's compilation costs where namespaces see different things: 1,000 services in 10 Sidecar scopes.

Objects in, bytes out, one process. Twice: each scope sees every service, or the tenth of them that is its own. A scope
sees a service by the same clusters and endpoints as any other; listeners, tables and virtual hosts are its own.
"""

from __future__ import annotations

import gc
import time

from bench.table import table
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import TYPES, CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.testing.meshes import make_proxy
from flotilla_pilot.testing.recorded import recorded_snapshot

SERVICES, SCOPES = 1000, 10
HEADER = ("ratio", "what", "CPU s", "resources", "MB")
BAR = 2.5


def measure() -> str:
    rows: list[tuple[object, ...]] = [(1.0, "the bar", BAR, "-", "-")]
    for what, hosts in (("its own 100", "./*"), ("all 1,000", "*/*")):
        snapshot = snapshot_of(hosts)
        first = _compiled(snapshot, 1)
        rows.append(_row(f"one scope, which sees {what}", *first))
        rows.append(_row(f"{SCOPES} scopes, each sees {what}", *_compiled(snapshot, SCOPES)))
    return table(f"{SERVICES} services in {SCOPES} Sidecar scopes", HEADER, rows)


def _row(what: str, spent: float, compiled: list[CompiledProxy]) -> tuple[object, ...]:
    held = [each for one in compiled for kind in TYPES for each in one.resources[kind].values()]
    return spent / BAR, what, spent, len(held), sum(len(each.body) for each in held) / 1e6


def _compiled(snapshot: MeshSnapshot, scopes: int) -> tuple[float, list[CompiledProxy]]:
    """CPU seconds to compile a sidecar of each scope, and what was compiled."""
    compiler = Compiler()
    proxies = [client(each) for each in range(scopes)]
    gc.collect()
    began = time.process_time()
    compiled = [compiler.compile(snapshot, proxy) for proxy in proxies]
    return time.process_time() - began, compiled


def client(number: int) -> Proxy:
    """A sidecar of the scope with this number."""
    return make_proxy("client", namespace=f"ns-{number}", INTERCEPTION_MODE="REDIRECT")


def snapshot_of(hosts: str, services: int = SERVICES) -> MeshSnapshot:
    """So many services, and a Sidecar in each namespace that lets in `hosts`."""
    documents = [_service(number) for number in range(services)]
    documents += [_sidecar(f"ns-{each}", hosts) for each in range(SCOPES)]
    return recorded_snapshot(documents, None)


def _service(number: int) -> dict[str, object]:
    """One HTTP port and two endpoints, as in the mesh that istiod was measured with."""
    namespace, name = f"ns-{number % SCOPES}", f"s{number:04}"
    place = f"{number // 250}.{number % 250}"
    spec = {
        "hosts": [f"{name}.{namespace}.svc.cluster.local"],
        "addresses": [f"10.96.{place}"],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "ports": [{"number": 8000, "name": "http", "protocol": "HTTP"}],
        "endpoints": [{"address": f"10.{each}.{place}", "serviceAccount": name} for each in (1, 2)],
    }
    return _object("ServiceEntry", name, namespace, spec)


def _sidecar(namespace: str, hosts: str) -> dict[str, object]:
    return _object("Sidecar", "default", namespace, {"egress": [{"hosts": [hosts]}]})


def _object(kind: str, name: str, namespace: str, spec: dict[str, object]) -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}

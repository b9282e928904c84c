"""Meshes and proxies for Pilot's tests, from the YAML that users write."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import Node
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings, MeshSnapshot, build_snapshot
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version
from google.protobuf import json_format

Objects = dict[str, dict[ObjectKey, ConfigObject]]
BOOKINFO = Path(__file__).parents[3] / "examples" / "bookinfo" / "local"
MESH_KIND = "MeshConfig"


def read_objects(text: str) -> Objects:
    """The objects of YAML documents, by collection. Every document is a second younger than the last one."""
    objects: Objects = {name: {} for name in COLLECTIONS}
    for number, document in enumerate(each for each in yaml.safe_load_all(text) if each):
        item = read_object(document, (number + 1) * 10**9)
        objects[item.key.collection][item.key] = item
    return objects


def read_object(document: Mapping[str, Any], create_time_ns: int) -> ConfigObject:
    if document.get("kind", MESH_KIND) == MESH_KIND:
        spec = document.get("spec", document)
        document = {"metadata": {"namespace": "istio-system", "name": "istio"}, "spec": spec}
        kind = kinds.by_collection(kinds.MESH_CONFIG)
    else:
        kind = kinds.kind_of(document["apiVersion"], document["kind"])
    assert kind is not None, document
    metadata = document["metadata"]
    message = json_format.ParseDict(document.get("spec") or {}, kind.message_class()())
    key = ObjectKey(kind.collection, metadata.get("namespace", "default"), metadata["name"])
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    version = content_version(key, message, labels, annotations, create_time_ns)
    return ConfigObject(key, version, message, labels, annotations, create_time_ns)


def make_node(identity: str, **metadata: Any) -> Node:
    """A node of the id `type~ip~name.namespace~domain` with the metadata of a bootstrap."""
    node = Node(id=identity, cluster="test")
    node.metadata.update(metadata)
    return node


def make_proxy(
    name: str, number: int = 1, kind: str = "sidecar", namespace: str = "default", **metadata: Any
) -> Proxy:
    """Workload `number` of one machine: application at 127.0.1.N, proxy at 127.0.2.N, mode NONE."""
    application = f"127.0.1.{number}"
    identity = f"{kind}~{application}~{name}.{namespace}~{namespace}.svc.cluster.local"
    stated = {
        "INTERCEPTION_MODE": "NONE",
        "INSTANCE_IPS": f"{application},127.0.2.{number}",
        "CLUSTER_ID": "Kubernetes",
    }
    return Proxy.from_node(make_node(identity, **{**stated, **metadata}))


class Mesh:
    """A snapshot of some YAML, and what is compiled of it."""

    def __init__(
        self, text: str, settings: MeshSettings | None = None, compiler: Compiler | None = None
    ) -> None:
        self.objects = read_objects(text)
        self.snapshot: MeshSnapshot = build_snapshot(self.objects, settings or MeshSettings())
        self.compiler = compiler or Compiler()

    def compile(self, proxy: Proxy) -> "Compiled":
        return Compiled(self.compiler.compile(self.snapshot, proxy))

    def problems(self) -> list[tuple[str, str, str]]:
        """The problems of the snapshot as (object, code, field)."""
        found = self.snapshot.problems.items()
        return [(key.full_name, each.code, each.field) for key, problems in found for each in problems]


class Compiled:
    """What one proxy holds, to be read as messages or as plain dicts."""

    def __init__(self, compiled: CompiledProxy) -> None:
        self.compiled = compiled

    def messages(self, type_url: str) -> dict[str, Any]:
        return {name: parse(type_url, each.body) for name, each in self.compiled.resources[type_url].items()}

    def tree(self) -> dict[str, dict[str, Any]]:
        """All resources by short type and name, as JSON has them, names sorted."""
        short = {"clusters": CLUSTER, "endpoints": ENDPOINTS, "listeners": LISTENER, "routes": ROUTES}
        return {
            kind: {name: as_dict(each) for name, each in sorted(self.messages(type_url).items())}
            for kind, type_url in short.items()
        }

    @property
    def clusters(self) -> dict[str, Any]:
        return self.messages(CLUSTER)

    @property
    def endpoints(self) -> dict[str, Any]:
        return self.messages(ENDPOINTS)

    @property
    def listeners(self) -> dict[str, Any]:
        return self.messages(LISTENER)

    @property
    def routes(self) -> dict[str, Any]:
        return self.messages(ROUTES)

    def problems(self) -> list[tuple[str, str, str]]:
        found = self.compiled.problems.items()
        return [(key.full_name, each.code, each.field) for key, problems in found for each in problems]


def parse(type_url: str, body: bytes) -> Any:
    from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
    from envoy.config.listener.v3.listener_pb2 import Listener
    from envoy.config.route.v3.route_pb2 import RouteConfiguration

    known = {
        CLUSTER: Cluster,
        ENDPOINTS: ClusterLoadAssignment,
        LISTENER: Listener,
        ROUTES: RouteConfiguration,
    }
    return known[type_url].FromString(body)


def as_dict(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    return found


def static_bootstrap(compiled: Compiled, node: Node) -> Bootstrap:
    """All resources of a proxy in one file: tables in their listeners, assignments in their clusters."""
    bootstrap = Bootstrap(node=node)
    bootstrap.static_resources.clusters.add(name="sds-grpc", type=Cluster.STATIC).connect_timeout.seconds = 1
    assignments = compiled.endpoints
    for cluster in compiled.clusters.values():
        if cluster.name in assignments:
            cluster.type = Cluster.STATIC
            cluster.load_assignment.CopyFrom(assignments[cluster.name])
            cluster.ClearField("eds_cluster_config")
        bootstrap.static_resources.clusters.append(cluster)
    for listener in compiled.listeners.values():
        for chain in listener.filter_chains:
            for each in chain.filters:
                _inline(each, compiled.routes)
        bootstrap.static_resources.listeners.append(listener)
    return bootstrap


def _inline(each: Any, tables: Mapping[str, Any]) -> None:
    from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
        HttpConnectionManager,
    )

    manager = HttpConnectionManager()
    if each.typed_config.Unpack(manager) and manager.HasField("rds"):
        manager.route_config.CopyFrom(tables[manager.rds.route_config_name])
        each.typed_config.Pack(manager)


def envoy_binary() -> Path | None:
    stated = os.environ.get("FLOTILLA_ENVOY")
    candidates = [Path(stated)] if stated else [Path(sys.prefix) / "envoy" / "bin" / "envoy"]
    found = next((each for each in candidates if each.is_file()), None)
    return found or (Path(which) if (which := shutil.which("envoy")) else None)


@pytest.fixture
def validate(tmp_path: Path) -> Callable[[Compiled], None]:
    """Ask the real Envoy whether it takes everything of a proxy; fails with Envoy's own words."""
    binary = envoy_binary()
    if binary is None:
        pytest.skip("no Envoy: set FLOTILLA_ENVOY, or `make install`, which puts one at .venv/envoy")

    def ask(compiled: Compiled) -> None:
        bootstrap = static_bootstrap(
            compiled, make_node("sidecar~127.0.1.1~a.default~default.svc.cluster.local")
        )
        path = tmp_path / "bootstrap.json"
        path.write_text(json_format.MessageToJson(bootstrap))
        command = [
            str(binary),
            "--mode",
            "validate",
            "-c",
            str(path),
            "--disable-hot-restart",
            "-l",
            "warning",
        ]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        assert "deprecated" not in ended.stderr, ended.stderr

    return ask


def bookinfo() -> str:
    """The example mesh, with its mesh configuration first."""
    files = sorted((BOOKINFO / "config").glob("*.yaml"))
    return "\n---\n".join(each.read_text() for each in (BOOKINFO / "mesh.yaml", *files))

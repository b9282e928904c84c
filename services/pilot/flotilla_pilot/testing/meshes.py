"""Meshes and proxies for tests, from the YAML that users write."""

import json
from collections.abc import Mapping
from typing import Any

import yaml
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import Node
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf import json_format

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings, MeshSnapshot
from flotilla_pilot.offline.kubernetes import is_kubernetes, snapshot_with
from flotilla_pilot.offline.render import tree
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version

Objects = dict[str, dict[ObjectKey, ConfigObject]]
MESSAGES = {CLUSTER: Cluster, ENDPOINTS: ClusterLoadAssignment, LISTENER: Listener, ROUTES: RouteConfiguration}
SHORT = {"clusters": CLUSTER, "endpoints": ENDPOINTS, "listeners": LISTENER, "routes": ROUTES}
_MESH = "MeshConfig"


def read_objects(text: str) -> Objects:
    """The objects of YAML documents that Galley gives Pilot, by collection; those of Kubernetes' own are not.

    Every document is a second younger than the last.
    """
    objects: Objects = {name: {} for name in COLLECTIONS}
    for number, document in enumerate(each for each in yaml.safe_load_all(text) if each):
        if is_kubernetes(document):
            continue
        item = read_object(document, (number + 1) * 10**9)
        if item.key.collection in objects:
            objects.setdefault(item.key.collection, {})[item.key] = item
    return objects


def read_object(document: Mapping[str, Any], create_time_ns: int) -> ConfigObject:
    if document.get("kind", _MESH) == _MESH:
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


TOLD_PORTS = {"ENVOY_STATUS_PORT": 15021, "ENVOY_PROMETHEUS_PORT": 15090}
"""What an agent says in the metadata of the ports at which its Envoy answers."""


def make_proxy(name: str, number: int = 1, kind: str = "sidecar", namespace: str = "default", **metadata: Any) -> Proxy:
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
        self,
        text: str = "",
        settings: MeshSettings | None = None,
        compiler: Compiler | None = None,
        objects: Objects | None = None,
    ) -> None:
        self.objects = read_objects(text) if objects is None else objects
        native = [each for each in yaml.safe_load_all(text) if each and is_kubernetes(each)]
        self.snapshot: MeshSnapshot = snapshot_with(self.objects, settings or MeshSettings(), native)
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
        return {
            name: MESSAGES[type_url].FromString(each.body) for name, each in self.compiled.resources[type_url].items()
        }

    def tree(self) -> dict[str, dict[str, Any]]:
        """All resources by short type and name, as JSON has them, names sorted."""
        return tree(self.compiled)

    def bodies(self) -> dict[tuple[str, str], bytes]:
        """Every resource's bytes."""
        held = self.compiled.resources.items()
        return {(type_url, name): each.body for type_url, found in held for name, each in found.items()}

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


def as_dict(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    return found

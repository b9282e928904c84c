"""Namespaces and Services as they are, in the collections that 1.4 had for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from flotilla_galley.transforms.ingress_options import LAST_APPLIED
from flotilla_galley.transforms.kubernetes import Namespace, Origin, Service
from flotilla_protos.k8s.core.v1.core_pb2 import NamespaceSpec, ServiceSpec
from flotilla_shared.model.kinds import NAMESPACES, SERVICES
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version


def namespace_object(namespace: Namespace) -> ConfigObject:
    """Named by the name alone: namespaces are in none."""
    return _object(NAMESPACES, namespace.origin, NamespaceSpec(), namespace.spec)


def service_object(service: Service) -> ConfigObject:
    written = dict(service.spec)
    ports = [_port(port) for port in written.get("ports") or ()]
    return _object(SERVICES, service.origin, ServiceSpec(), written | {"ports": ports})


def _port(port: Mapping[str, Any]) -> dict[str, Any]:
    """A port whose `targetPort`, a number or a name in YAML, is the message that it is on the wire."""
    target = port.get("targetPort")
    if target is None:
        return dict(port)
    by_name = {"type": 1, "strVal": target} if isinstance(target, str) else {"type": 0, "intVal": target}
    return {**port, "targetPort": by_name}


def _object(collection: str, origin: Origin, spec: Message, written: Mapping[str, Any]) -> ConfigObject:
    """Raises google.protobuf.json_format.ParseError for a field of another type."""
    ParseDict(dict(written), spec, ignore_unknown_fields=True)
    key = ObjectKey(collection, origin.namespace, origin.name)
    annotations = {name: value for name, value in origin.annotations.items() if name != LAST_APPLIED}
    version = content_version(key, spec, origin.labels, annotations, origin.create_time_ns)
    return ConfigObject(key, version, spec, dict(origin.labels), annotations, origin.create_time_ns)

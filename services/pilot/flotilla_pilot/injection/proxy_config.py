"""The proxy configuration of a pod: the mesh's, and over it what its annotation says."""

from __future__ import annotations

import json
from typing import Any

import yaml
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import Int32Value

from flotilla_pilot.injection.annotations import PROXY_CONFIG
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import AuthenticationPolicy, ProxyConfig
from flotilla_shared.notation.values import read_value

LARGEST_CONCURRENCY = 1024
MOST_VALUES = 10_000  # whoever may create a pod writes them
_UNREADABLE = (yaml.YAMLError, json_format.ParseError, AttributeError, TypeError)
# What Istio's mesh configuration says where nobody has said anything: not worth writing into each pod.
USUAL: dict[str, Any] = {
    "binary_path": "/usr/local/bin/envoy",
    "config_path": ("./etc/istio/proxy", "/etc/istio/proxy"),
    "control_plane_auth_policy": (AuthenticationPolicy.MUTUAL_TLS, AuthenticationPolicy.NONE),
    "service_cluster": "istio-proxy",
    "drain_duration": Duration(seconds=45),
    "termination_drain_duration": Duration(seconds=5),
    "proxy_admin_port": 15000,
    "stat_name_length": 189,
    "status_port": 15020,
}


def merged_proxy_config(mesh: ProxyConfig, annotation: str | None) -> ProxyConfig:
    """Fields of the annotation replace the mesh's; maps are merged. Raises InjectionRefused, naming the annotation."""
    merged = ProxyConfig()
    merged.CopyFrom(mesh)
    if not annotation:
        return merged
    own = _read(annotation)
    for field, value in own.ListFields():
        if field.name != "proxy_metadata" and field.is_repeated:
            merged.ClearField(field.name)
        elif field.message_type is not None and not field.is_repeated:
            getattr(merged, field.name).CopyFrom(value)
            own.ClearField(field.name)
    merged.MergeFrom(own)
    return merged


def unknown_field(annotation: str) -> str:
    """What the annotation says that no proxy configuration has; empty if there is nothing. It is left out of account: the
    pod may have been written for a newer mesh.
    """
    try:
        _parse(annotation, lenient=False)
    except _UNREADABLE as error:
        return f"annotation {PROXY_CONFIG}: {' '.join(str(error).split())}"
    return ""


def _parse(annotation: str, *, lenient: bool) -> ProxyConfig:
    content = read_value(annotation, MOST_VALUES)
    if not isinstance(content or {}, dict):
        raise TypeError(f"it holds a {type(content).__name__} where key: value pairs must stand")
    return json_format.ParseDict(content or {}, ProxyConfig(), ignore_unknown_fields=lenient)


def _read(annotation: str) -> ProxyConfig:
    try:
        config = _parse(annotation, lenient=True)
    except _UNREADABLE as error:
        text = " ".join(str(error).split())
        raise InjectionRefused(f"annotation {PROXY_CONFIG} is no proxy configuration: {text}") from error
    _check(config)
    return config


def _check(config: ProxyConfig) -> None:
    concurrency: Int32Value = config.concurrency
    if config.HasField("concurrency") and not 0 <= concurrency.value <= LARGEST_CONCURRENCY:
        raise InjectionRefused(
            f"annotation {PROXY_CONFIG}: concurrency is {concurrency.value}: it must be between 0 and {LARGEST_CONCURRENCY}"
        )
    for name in ("status_port", "proxy_admin_port"):
        port = getattr(config, name)
        if not 0 <= port <= 65535:
            raise InjectionRefused(f"annotation {PROXY_CONFIG}: {name} is {port}: it must be a port")
    if config.HasField("termination_drain_duration") and config.termination_drain_duration.ToNanoseconds() < 0:
        raise InjectionRefused(f"annotation {PROXY_CONFIG}: terminationDrainDuration must not be negative")


def as_text(config: ProxyConfig, status_port: int) -> str:
    """JSON without what is usual, on one line. The agent listens on the status port that the pod's probes ask."""
    shown = ProxyConfig()
    shown.CopyFrom(config)
    shown.status_port = status_port or config.status_port
    for name, usual in USUAL.items():
        values = usual if isinstance(usual, tuple) else (usual,)
        if getattr(shown, name) in values:
            shown.ClearField(name)
    return json.dumps(json_format.MessageToDict(shown), separators=(",", ":"), sort_keys=True)

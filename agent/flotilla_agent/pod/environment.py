"""What a pod's environment says: settings and workload. Pure; the names are those that injection writes.

POD_NAME POD_NAMESPACE INSTANCE_IP [INSTANCE_IPS] SERVICE_ACCOUNT      the downward API
TRUST_DOMAIN ROOT_NAMESPACE CA_ADDR DISCOVERY_ADDRESS                  where the mesh is
PROXY_CONFIG                                                           istio.mesh.v1alpha1.ProxyConfig as JSON
ISTIO_META_<KEY>, ISTIO_METAJSON_<KEY>                                 the node's metadata
ISTIO_CPU_LIMIT, EXIT_ON_ZERO_ACTIVE_CONNECTIONS, SECRET_TTL
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from google.protobuf import json_format
from pydantic import ValidationError

from flotilla_agent.config import STATUS_PORT
from flotilla_agent.errors import PodRefused
from flotilla_agent.pod.workload import PodWorkload
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

TOKEN_FILE = Path("/var/run/secrets/tokens/istio-token")
ROOT_CERT_FILE = Path("/var/run/secrets/istio/root-cert.pem")
RUN_DIR = Path("/etc/istio/proxy")
DRAIN_SECONDS = 5.0
LONGEST_DRAIN_SECONDS = 3600.0
WORKERS = 2
LEFT_OUT = ("kubectl.kubernetes.io/last-applied-configuration", "kubernetes.io/config.")
_META, _META_JSON = "ISTIO_META_", "ISTIO_METAJSON_"

Kind = Literal["sidecar", "router", "grpc"]


@dataclass(frozen=True, slots=True)
class Pod:
    """`settings` are values for AgentSettings."""

    workload: PodWorkload
    settings: Mapping[str, Any]


def read_pod(
    kind: Kind, environ: Mapping[str, str], labels: Mapping[str, str], annotations: Mapping[str, str], domain: str = ""
) -> Pod:
    """Raises PodRefused, naming the variable. `domain` is as in `--domain`: `<namespace>.svc.<cluster domain>`."""
    proxy = read_proxy_config(environ.get("PROXY_CONFIG", ""))
    addresses = _addresses(environ)
    try:
        workload = PodWorkload(
            name=_needed(environ, "POD_NAME", "metadata.name"),
            namespace=_needed(environ, "POD_NAMESPACE", "metadata.namespace"),
            service_account=_needed(environ, "SERVICE_ACCOUNT", "spec.serviceAccountName"),
            kind=kind,
            address=addresses[0],
            addresses=addresses,
            labels=dict(labels),
            token_file=TOKEN_FILE,
            status=proxy.status_port or STATUS_PORT,
            metadata=_metadata(kind, environ, labels, annotations),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise PodRefused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return Pod(workload, _settings(environ, proxy, _cluster_domain(domain, workload.namespace)))


def _needed(environ: Mapping[str, str], name: str, field: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise PodRefused(f"the variable {name} is empty: it must come from the downward API (fieldPath {field})")
    return value


def _addresses(environ: Mapping[str, str]) -> tuple[str, ...]:
    """All of the pod's, or the one."""
    first = _needed(environ, "INSTANCE_IP", "status.podIP")
    every = [each.strip() for each in environ.get("INSTANCE_IPS", "").split(",") if each.strip()]
    return tuple(dict.fromkeys([first, *every]))


def _cluster_domain(domain: str, namespace: str) -> str:
    return domain.removeprefix(f"{namespace}.svc.") or "cluster.local"


def read_proxy_config(text: str) -> ProxyConfig:
    """Raises PodRefused. Unknown fields are left out: the pod may be older than what injected it, or newer."""
    try:
        return json_format.Parse(text or "{}", ProxyConfig(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise PodRefused(f"the variable PROXY_CONFIG is no proxy configuration: {error}") from error


def _metadata(
    kind: Kind, environ: Mapping[str, str], labels: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """Later ones win: what has a variable, then what the variables hold as JSON."""
    own = {"INTERCEPTION_MODE": "REDIRECT" if kind == "sidecar" else "NONE"}
    if kind == "grpc":
        own["GENERATOR"] = "grpc"
    shown = {name: value for name, value in annotations.items() if not name.startswith(LEFT_OUT)}
    found: dict[str, Any] = {**own, "LABELS": dict(labels), "ANNOTATIONS": shown}
    found["INSTANCE_IPS"] = ",".join(_addresses(environ))
    for name, value in environ.items():
        if name.startswith(_META) and value:
            found[name.removeprefix(_META)] = value
    for name, value in environ.items():
        if name.startswith(_META_JSON) and value:
            key = name.removeprefix(_META_JSON)
            found[key] = {**found.get(key, {}), **_object(name, value)}
    return found


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise PodRefused(f"the variable {name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise PodRefused(f"the variable {name} holds a {type(value).__name__} where a JSON object must stand")
    return value


def _settings(environ: Mapping[str, str], proxy: ProxyConfig, domain: str) -> dict[str, Any]:
    root = environ.get("ROOT_NAMESPACE") or "istio-system"
    trust_domain = environ.get("TRUST_DOMAIN") or "cluster.local"
    citadel = environ.get("CA_ADDR") or f"istio-citadel.{root}.svc:8060"
    pilot = environ.get("DISCOVERY_ADDRESS") or proxy.discovery_address or f"istio-pilot.{root}.svc:15012"
    return {
        "run_dir": RUN_DIR,
        "trust_domain": trust_domain,
        "domain": domain,
        "citadel": {
            "address": citadel,
            "server_name": f"istio-citadel.{root}.svc",
            "root_cert_file": ROOT_CERT_FILE,
        },
        "pilot": {
            "address": pilot,
            "server_name": f"istio-pilot.{root}.svc",
            "identity": f"spiffe://{trust_domain}/ns/{root}/sa/istio-pilot-service-account",
        },
        "reconnect_max_seconds": 30,
        "concurrency": workers(proxy, environ.get("ISTIO_CPU_LIMIT", "")),
        **_drain(environ, proxy),
        **_lifetime(environ),
    }


def workers(proxy: ProxyConfig, cpu_limit: str) -> int:
    """Envoy's worker threads: as the configuration says (0: one for each core), else as many as the limit of CPU lets."""
    if proxy.HasField("concurrency"):
        return proxy.concurrency.value or os.cpu_count() or WORKERS
    return int(cpu_limit) if cpu_limit.isdigit() and int(cpu_limit) > 0 else WORKERS


def _drain(environ: Mapping[str, str], proxy: ProxyConfig) -> dict[str, float]:
    """The whole time, as endpoints are told to leave only now; or until nobody is left."""
    given = proxy.HasField("termination_drain_duration")
    seconds = proxy.termination_drain_duration.ToNanoseconds() / 1e9 if given else DRAIN_SECONDS
    if environ.get("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "").lower() == "true":
        least = _seconds(environ, "MINIMUM_DRAIN_DURATION", DRAIN_SECONDS)
        return {"drain_seconds": LONGEST_DRAIN_SECONDS, "drain_least_seconds": least}
    seconds = min(seconds, LONGEST_DRAIN_SECONDS)
    return {"drain_seconds": seconds, "drain_least_seconds": seconds}


def _lifetime(environ: Mapping[str, str]) -> dict[str, int]:
    return {"certificate_ttl_seconds": int(_seconds(environ, "SECRET_TTL", 86400))}


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    """A duration as Go writes it, such as `24h0m0s`."""
    text = environ.get(name, "")
    if not text:
        return default
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, number = 0.0, ""
    for character in text:
        if character in units and number:
            total, number = total + float(number) * units[character], ""
        elif character.isdigit() or character == ".":
            number += character
        else:
            number = "?"
            break
    if number or total <= 0:
        raise PodRefused(f"the variable {name} is {text!r}: it must be a duration such as 24h or 90s")
    return total

"""Inputs to begin with: what is right, so that a fuzzer finds its way past the first checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import yaml
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest

from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources
from flotilla_shared.model.kinds import GATEWAYS, WORKLOAD_ENTRIES
from tests.fuzz.mixer_seeds import SEEDS

ROOT = Path(__file__).parents[2]
EXPRESSIONS = [
    'source.labels["version"] | "unknown"',
    'match(request.path, "/a*") && (request.size > 3 || !("x" == `y`))',
    'conditionalString(request.auth.claims["a"].startsWith("b"), "1s", ip("1.2.3.4"))',
]
CUNNING = [
    "a: &a [1]\nb: {<<: {c: *a}}\n",
    "a: !!int 0x1\n---\n- ? x\n  : |\n    y\n...\n",
    '{"a": ["\\u0000", 1e3, ~]}',
]


def seeds(target: str) -> list[bytes]:
    """In a fixed order; none for a target whose bytes only decide."""
    return list(_OF.get(target, _none)())


def _none() -> Iterator[bytes]:
    return iter(())


def _texts() -> list[str]:
    return [file.read_text() for file in sorted((ROOT / "examples" / "bookinfo" / "local").rglob("*.yaml"))]


def _yaml() -> Iterator[bytes]:
    for text in (*_texts(), *CUNNING):
        yield text[:500].encode()


def _admission() -> Iterator[bytes]:
    for number, written in enumerate(each for text in _texts() for each in yaml.safe_load_all(text) if each):
        group, _, version = str(written.get("apiVersion", "")).rpartition("/")
        names = {"group": group, "version": version, "kind": written.get("kind", "")}
        request = {"uid": "u", "operation": "CREATE", "kind": names, "namespace": "x", "object": written}
        api = "admission.k8s.io/v1beta1" if number % 2 else "admission.k8s.io/v1"
        yield json.dumps({"apiVersion": api, "kind": "AdmissionReview", "request": request}).encode()


def _expressions() -> Iterator[bytes]:
    return (text.encode() for text in EXPRESSIONS)


def _mcp() -> Iterator[bytes]:
    first = RequestResources(collection=WORKLOAD_ENTRIES, incremental=True)
    first.initial_resource_versions["x/a"] = "1"
    refusal = RequestResources(collection=WORKLOAD_ENTRIES, response_nonce="1")
    refusal.error_detail.code = 3
    whole = [RequestResources(collection=GATEWAYS), RequestResources(collection=GATEWAYS, response_nonce="1")]
    yield _joined([first, refusal])
    yield _joined(whole)


def _xds() -> Iterator[bytes]:
    kind = "networking.istio.io/v1alpha3/Gateway"
    first = DiscoveryRequest(type_url=kind, response_nonce="2026-01-01")
    yield _joined([first, DiscoveryRequest(type_url=kind, response_nonce="1", version_info="1")])
    yield _joined([DiscoveryRequest(type_url="core/v1alpha1/MeshConfig"), DiscoveryRequest(type_url="a/b/c")])


def _joined(requests: list) -> bytes:
    parts = [request.SerializeToString() for request in requests]
    return b"".join(bytes([len(part)]) + part for part in parts)


_OF = {"yaml": _yaml, "admission": _admission, "expressions": _expressions, "mcp": _mcp, "xds": _xds, **SEEDS}

"""What connection managers say of traces, and which proxies share listeners although they say it."""

from typing import Any

import pytest

from flotilla_pilot.compile.tracing import tracing
from flotilla_pilot.model.proxy_options import ProxyOptions, proxy_options
from flotilla_pilot.testing.meshes import Mesh, as_dict, make_proxy

SERVICES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec:
  hosts: [web.example]
  addresses: [240.0.0.1]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.0.0.1}]
"""


def block(defaults: str = "", **metadata: Any) -> dict[str, Any]:
    mesh = Mesh(f"kind: MeshConfig\nspec: {{defaultConfig: {{{defaults}}}}}")
    options = proxy_options(make_proxy("p", **metadata), mesh.snapshot.mesh.proxy_default)
    return as_dict(tracing(options))


def tags(found: dict[str, Any]) -> dict[str, Any]:
    """Tags of Istio's by their last name, others as they are."""
    held = {each.pop("tag"): each for each in found["custom_tags"]}
    return {name.removeprefix("istio."): each for name, each in held.items()}


@pytest.mark.parametrize(
    ("stated", "percent"),
    [("", 1.0), ("sampling: 55.55", 55.55), ("sampling: 100", 100), ("sampling: 300", 1.0), ("sampling: -3", 1.0)],
)
def test_how_many_requests_are_traced(stated: str, percent: float) -> None:
    found = block(f"tracing: {{{stated}}}" if stated else "")
    assert found["random_sampling"]["value"] == percent
    assert found["client_sampling"]["value"] == found["overall_sampling"]["value"] == 100


def test_the_proxy_is_told_as_far_as_its_namespace() -> None:
    found = tags(block(MESH_ID="m1", LABELS={"service.istio.io/canonical-name": "web"}))
    assert {name: each["literal"]["value"] for name, each in found.items() if "literal" in each} == {
        "canonical_revision": "latest",
        "canonical_service": "unknown",
        "cluster_id": "Kubernetes",
        "mesh_id": "m1",
        "namespace": "default",
    }
    tried = found["authorization.dry_run.deny_policy.name"]["metadata"]
    assert tried["metadata_key"] == {
        "key": "envoy.filters.http.rbac",
        "path": [{"key": "istio_dry_run_deny_shadow_effective_policy_id"}],
    }


def test_tags_of_the_mesh() -> None:
    stated = (
        "tracing: {enableIstioTags: false, maxPathTagLength: 13, customTags: {b: {literal: {value: x}},"
        " a: {environment: {name: E, defaultValue: d}}, c: {header: {name: h, defaultValue: d}},"
        " nameless: {environment: {defaultValue: d}}}}"
    )
    found = block(stated)
    assert found["max_path_tag_length"] == 13
    assert tags(found) == {
        "a": {"environment": {"name": "E", "default_value": "d"}},
        "b": {"literal": {"value": "x"}},
        "c": {"request_header": {"name": "h", "default_value": "d"}},
    }


@pytest.mark.parametrize(
    ("own", "percent"), [({"tracing": {"sampling": 7}, "later": 1}, 7), ({"concurrency": 1}, 1), ("{", 1)]
)
def test_a_nodes_own_configuration_is_in_place_of_the_meshs(own: Any, percent: float) -> None:
    assert block("tracing: {sampling: 50}", PROXY_CONFIG=own)["random_sampling"]["value"] == percent


def test_what_listeners_do_not_read_parts_no_proxies() -> None:
    one, other = ({"concurrency": number, "tracing": {"sampling": 7}} for number in (1, 2))
    assert proxy_options(make_proxy("p", PROXY_CONFIG=one), b"") == proxy_options(
        make_proxy("q", PROXY_CONFIG=other), b""
    )


def test_where_no_http_is_looked_into_all_namespaces_share_a_listener() -> None:
    mesh = Mesh(SERVICES)
    one, other = (
        mesh.compile(make_proxy("p", number, namespace=space, INTERCEPTION_MODE="REDIRECT"))
        for number, space in enumerate(("a", "b"), 1)
    )
    held = [
        {each.name: each for kinds in (made.compiled.resources.values(),) for kind in kinds for each in kind.values()}
        for made in (one, other)
    ]
    assert held[0]["240.0.0.1_90"] is held[1]["240.0.0.1_90"]
    assert held[0]["0.0.0.0_80"] is not held[1]["0.0.0.0_80"]


def test_nothing_said_is_a_block_too() -> None:
    assert tags(as_dict(tracing(ProxyOptions())))["cluster_id"]["literal"] == {"value": "unknown"}

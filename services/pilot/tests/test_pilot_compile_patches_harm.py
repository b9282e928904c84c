"""Patches that Envoy would refuse harm nothing but themselves; what users write most, the real Envoy takes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.guard import fault
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.testing.properties import examples

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "envoy-filters.md"
SERVICE = """
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {name: b, namespace: default}
spec:
  hosts: [b.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP}]
  endpoints: [{address: 127.0.1.2}]
---
apiVersion: networking.istio.io/v1alpha3
kind: Sidecar
metadata: {name: a, namespace: default}
spec:
  ingress: [{port: {number: 8080, name: http, protocol: HTTP}, bind: 127.0.2.1, defaultEndpoint: 127.0.1.1:8080}]
  egress: [{hosts: ["*/*"]}]
"""
TYPES = "type.googleapis.com/envoy."
EXTENSIONS = f"{TYPES}extensions."


def written(*patches: dict[str, Any]) -> str:
    document = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "f", "namespace": "default"},
        "spec": {"configPatches": list(patches)},
    }
    return f"{SERVICE}\n---\n{yaml.safe_dump(document)}"


def compiled(*patches: dict[str, Any]) -> Compiled:
    return Mesh(written(*patches)).compile(make_proxy("a"))


def patch(apply_to: str, operation: str, value: dict[str, Any] | None = None, **match: Any) -> dict[str, Any]:
    return {"applyTo": apply_to, "match": match, "patch": {"operation": operation, "value": value}}


GOOD = patch("CLUSTER", "MERGE", {"connect_timeout": "3s"}, cluster={"service": "b.test"})


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    found = compiled(GOOD)
    assert found.clusters["outbound|80||b.test"].connect_timeout.seconds == 3
    assert found.problems() == []
    return found.tree()


BARE: dict[str, Any] = {"name": "envoy.filters.http.lua"}
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{EXTENSIONS}filters.http.router.v3.Router"}}
MANAGER_TYPE = f"{EXTENSIONS}filters.network.http_connection_manager.v3.HttpConnectionManager"
BAD = {
    "a limit of Envoy's": patch("CLUSTER", "MERGE", {"connect_timeout": "0s", "max_requests_per_connection": 1, "outlier_detection": {"max_ejection_percent": 101}}),
    "another name": patch("CLUSTER", "MERGE", {"name": "x"}),
    "a second cluster of a name": patch("CLUSTER", "ADD", {"name": "outbound|80||b.test", "connect_timeout": "1s"}),
    "a cluster without name": patch("CLUSTER", "ADD", {"connect_timeout": "1s"}),
    "another type": patch("NETWORK_FILTER", "MERGE", {"typed_config": {"@type": f"{EXTENSIONS}filters.http.router.v3.Router"}}),
    "no configuration": patch("HTTP_FILTER", "INSERT_FIRST", BARE),
    "nothing at the end": patch("HTTP_FILTER", "INSERT_FIRST", ROUTER),
    "no chains": patch("FILTER_CHAIN", "REMOVE"),
    "a listener without address": patch("LISTENER", "ADD", {"name": "x", "filter_chains": [{}]}),
    "a listener that is nowhere": patch("LISTENER", "ADD", {"name": "x", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}),
    "a domain twice": patch("VIRTUAL_HOST", "ADD", {"name": "x", "domains": ["B.test"]}, context="SIDECAR_OUTBOUND"),
    "no domain": patch("VIRTUAL_HOST", "ADD", {"name": "x"}),
    "a chain twice": patch("FILTER_CHAIN", "ADD", {"filters": []}, listener={"name": "127.0.0.1_90"}),
    "a listener on a name": patch("LISTENER", "ADD", {"name": "x", "address": {"socket_address": {"address": "x.test", "port_value": 1}}, "filter_chains": [{}]}),
    "a listener on another": patch("LISTENER", "ADD", {"name": "x", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}}, "filter_chains": [{}]}),
    "a star within a name": patch("FILTER_CHAIN", "ADD", {"filter_chain_match": {"server_names": ["*x.test"]}}, listener={"name": "127.0.0.1_90"}),
    "TLS without certificate": patch("FILTER_CHAIN", "MERGE", {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": f"{EXTENSIONS}transport_sockets.tls.v3.DownstreamTlsContext"}}}, listener={"name": "127.0.0.1_90"}),
    "a filter of another list": patch("HTTP_FILTER", "ADD", {"name": "x", "typed_config": {"@type": f"{EXTENSIONS}filters.network.rbac.v3.RBAC", "stat_prefix": "x"}}),
    "the same, written out": patch("NETWORK_FILTER", "INSERT_FIRST", {"name": "x", "typed_config": {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": f"{EXTENSIONS}filters.http.lua.v3.Lua"}}),
    "an end by its type": patch("HTTP_FILTER", "INSERT_FIRST", {"name": "x", "typed_config": ROUTER["typed_config"]}),
    "no end": patch("HTTP_FILTER", "REMOVE", listener={"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager", "subFilter": {"name": "envoy.filters.http.router"}}}}),
    "a pattern in a route": patch("HTTP_ROUTE", "ADD", {"match": {"safe_regex": {"regex": "(["}}, "direct_response": {"status": 200}}),
    "a header that is fixed": patch("HTTP_ROUTE", "MERGE", {"request_headers_to_add": [{"header": {"key": "Host", "value": "x"}}]}),
    "a header that is fixed is removed": patch("VIRTUAL_HOST", "MERGE", {"response_headers_to_remove": [":status"]}),
    "two rewrites": patch("HTTP_ROUTE", "MERGE", {"route": {"prefix_rewrite": "/x", "regex_rewrite": {"pattern": {"regex": "a"}}}}),
    "another's choice of endpoints": patch("CLUSTER", "MERGE", {"lb_policy": "CLUSTER_PROVIDED"}, cluster={"service": "b.test"}),
    "a choice that is not its own": patch("CLUSTER", "MERGE", {"lb_policy": "MAGLEV"}, cluster={"name": "dfp"}),
    "names that nobody verifies": patch("CLUSTER", "MERGE", {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": f"{EXTENSIONS}upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}}}, cluster={"name": "dfp"}),
    "a static name": patch("CLUSTER", "ADD", {"name": "x", "connect_timeout": "1s", "load_assignment": {"cluster_name": "x", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "x.test", "port_value": 1}}}}]}]}}),
    "one name of none": patch("CLUSTER", "ADD", {"name": "x", "type": "LOGICAL_DNS", "connect_timeout": "1s"}),
    "nothing packed": patch("NETWORK_FILTER", "MERGE", {"typed_config": {}}, listener={"name": "127.0.0.1_90"}),
    "no such field type": patch("CLUSTER", "MERGE", {"connect_timeout": "soon"}),
    "no such type": patch("HTTP_FILTER", "ADD", {"name": "x", "typed_config": {"@type": f"{TYPES}none.v3.Such"}}),
    "the old API": patch("HTTP_FILTER", "ADD", {"name": "x", "typed_config": {"@type": f"{TYPES}config.filter.http.lua.v2.Lua"}}),
    "a bootstrap that is added": patch("BOOTSTRAP", "ADD", {"stats_flush_interval": "1s"}),
    "no operation": {"applyTo": "CLUSTER"},
    "a pattern that is none": patch("CLUSTER", "REMOVE", proxy={"proxyVersion": "("}),
    "the context of waypoints": patch("CLUSTER", "REMOVE", context="WAYPOINT"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_patch_harms_nothing_but_itself(name: str, good: dict[str, Any]) -> None:
    """The resources are those of the good patches before and behind it, and the object's problem names the place."""
    found = compiled(GOOD, BAD[name], GOOD)
    assert {key for key, _, _ in found.problems()} == {"default/f"}
    assert all(field.startswith("spec.configPatches[1]") for _, _, field in found.problems())
    assert found.tree() == good


def test_what_is_wrong_is_said_once_a_resource() -> None:
    found = compiled(BAD["a limit of Envoy's"])
    texts = [each.text for problems in found.compiled.problems.values() for each in problems]
    assert "outbound|80||b.test is without this patch" in " ".join(texts)
    assert len(texts) == len(set(texts))


USUAL = [
    patch("HTTP_FILTER", "INSERT_BEFORE", {"name": "envoy.filters.http.lua", "typed_config": {
        "@type": f"{EXTENSIONS}filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": "function envoy_on_request(h) h:headers():add('x', 'y') end"},
    }}, context="SIDECAR_OUTBOUND"),
    patch("HTTP_FILTER", "INSERT_BEFORE", {"name": "envoy.filters.http.local_ratelimit", "typed_config": {
        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": f"{EXTENSIONS}filters.http.local_ratelimit.v3.LocalRateLimit",
        "value": {"stat_prefix": "l", "token_bucket": {"max_tokens": 10, "tokens_per_fill": 10, "fill_interval": "60s"}},
    }}, context="SIDECAR_INBOUND"),
    patch("HTTP_FILTER", "ADD", {"name": "envoy.filters.http.header_to_metadata", "typed_config": {
        "@type": f"{EXTENSIONS}filters.http.header_to_metadata.v3.Config",
        "request_rules": [{"header": "x-version", "on_header_present": {"metadata_namespace": "envoy.lb", "key": "v"}}],
    }}),
    patch("NETWORK_FILTER", "MERGE", {"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": MANAGER_TYPE,
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": {
            "@type": f"{EXTENSIONS}access_loggers.file.v3.FileAccessLog", "path": "/dev/null",
        }}],
        "common_http_protocol_options": {"idle_timeout": "30s"},
    }}, listener={"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}}),
    patch("CLUSTER", "MERGE", {"circuit_breakers": {"thresholds": [{"priority": "HIGH", "max_connections": 5}]}},
          context="SIDECAR_OUTBOUND"),
    patch("LISTENER_FILTER", "INSERT_FIRST", {"name": "envoy.filters.listener.proxy_protocol", "typed_config": {
        "@type": f"{EXTENSIONS}filters.listener.proxy_protocol.v3.ProxyProtocol",
    }}, context="SIDECAR_INBOUND"),
    patch("CLUSTER", "ADD", {"name": "own", "type": "STRICT_DNS", "connect_timeout": "1s", "load_assignment": {
        "cluster_name": "own", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": "localhost", "port_value": 1}}}}]}],
    }}),
    patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "9s"}}, routeConfiguration={"vhost": {"route": {"action": "ROUTE"}}}),
    patch("LISTENER", "MERGE", {"per_connection_buffer_limit_bytes": 1024}),
    patch("FILTER_CHAIN", "MERGE", {"transport_socket_connect_timeout": "5s"}),
]  # fmt: skip


def test_envoy_takes_what_users_write_most(validate: Callable[[Compiled], None]) -> None:
    found = compiled(*USUAL)
    assert found.problems() == []
    text = str(found.tree())
    for words in (
        "http.lua",
        "local_ratelimit",
        "header_to_metadata",
        "'30s'",
        "'HIGH'",
        "proxy_protocol",
        "'own'",
        "'9s'",
    ):
        assert words in text, words
    validate(found)


def test_envoy_takes_what_the_guide_shows(validate: Callable[[Compiled], None]) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.S)
    assert len(shown) >= 3
    documents = [yaml.safe_load(each) for each in shown]
    for each in documents:
        each["spec"].pop("workloadSelector", None)
    found = Mesh(f"{SERVICE}\n---\n{yaml.safe_dump_all(documents)}").compile(make_proxy("a"))
    assert found.problems() == []
    assert "envoy_on_request" in str(found.tree())
    validate(found)


# -- whatever is written

APPLY_TO = st.sampled_from([each for each in EnvoyFilter.ApplyTo.keys()])  # noqa: C416, SIM118
OPERATION = st.sampled_from([each for each in EnvoyFilter.Patch.Operation.keys()])  # noqa: C416, SIM118
CONTEXT = st.sampled_from([each for each in EnvoyFilter.PatchContext.keys()])  # noqa: C416, SIM118
NAMES = st.sampled_from(
    ["", "80", "b.test:80", "127.0.0.1_80", "envoy.filters.http.router", "outbound|80||b.test", "x"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 70000), NAMES, st.sampled_from(["1s", "-1s", "MAGLEV"]))
FIELDS = st.sampled_from(
    [
        "name", "type", "typed_config", "@type", "connect_timeout", "filters", "filter_chains", "http_filters", "routes",
        "virtual_hosts", "domains", "match", "route", "prefix", "cluster", "address", "filter_chain_match", "timeout",
        "destination_port", "transport_socket", "load_assignment", "listener_filters", "bind_to_port", "config",
    ]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(FIELDS, inner, max_size=3)),
    max_leaves=8,
)
STRUCTS = st.dictionaries(FIELDS, VALUES, max_size=4)
FILTER = st.fixed_dictionaries({}, optional={"name": NAMES, "subFilter": st.fixed_dictionaries({"name": NAMES})})
LISTENER = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES,
        "portNumber": st.sampled_from([80, 90]),
        "filterChain": st.fixed_dictionaries({"filter": FILTER}),
    },
)
ROUTE = st.fixed_dictionaries({}, optional={"name": NAMES, "vhost": st.fixed_dictionaries({"name": NAMES})})
MATCH = st.one_of(
    st.fixed_dictionaries({"context": CONTEXT}),
    st.fixed_dictionaries({"context": CONTEXT, "listener": LISTENER}),
    st.fixed_dictionaries({"context": CONTEXT, "routeConfiguration": ROUTE}),
    st.fixed_dictionaries({"cluster": st.fixed_dictionaries({}, optional={"name": NAMES, "service": NAMES})}),
)
PATCHES = st.fixed_dictionaries(
    {
        "applyTo": APPLY_TO,
        "match": MATCH,
        "patch": st.fixed_dictionaries({"operation": OPERATION, "value": STRUCTS}),
    }
)


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler()


@settings(max_examples=examples(60), deadline=None)
@given(patches=st.lists(PATCHES, min_size=1, max_size=4))
def test_no_patch_raises_or_makes_what_envoy_refuses(patches: list[dict[str, Any]], compiler: Compiler) -> None:
    found = Mesh(written(*patches), compiler=compiler).compile(make_proxy("a"))
    messages = [*found.listeners.values(), *found.clusters.values(), *found.routes.values()]
    assert [each.name for each in messages if fault(each)] == []
    for type_url, held in found.compiled.resources.items():
        assert set(held) == {
            getattr(each, "name", "") or each.cluster_name for each in found.messages(type_url).values()
        }

"""What the mesh, and a node in its own configuration, say of requests: paths, times, streams, headers."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

OBJECTS = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [a.io], resolution: STATIC, ports: [{number: 80, name: p, protocol: HTTP}], endpoints: [{address: 10.0.0.1}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {selector: {app: gate}, servers: [{port: {number: 80, name: p, protocol: HTTP}, hosts: ['*']}]}
"""
SIDECAR, ROUTER = {"kind": "sidecar", "INTERCEPTION_MODE": "REDIRECT"}, {"kind": "router", "LABELS": {"app": "gate"}}


def compiled(mesh: str, proxy: dict[str, Any], **metadata: Any) -> Compiled:
    return Mesh(f"kind: MeshConfig\nspec: {{{mesh}}}\n{OBJECTS}").compile(make_proxy("p", **{**proxy, **metadata}))


def manager(made: Compiled) -> dict[str, Any]:
    chain = as_dict(made.listeners["0.0.0.0_80"])["filter_chains"][0]
    found: dict[str, Any] = chain["filters"][0]["typed_config"]
    return found


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("DEFAULT", (True, None, None)),
        ("NONE", (False, None, None)),
        ("BASE", (True, None, None)),
        ("MERGE_SLASHES", (True, True, None)),
        ("DECODE_AND_MERGE_SLASHES", (True, True, "UNESCAPE_AND_FORWARD")),
    ],
)
@pytest.mark.parametrize("proxy", [SIDECAR, ROUTER])
def test_paths_are_made_alike(
    mode: str, expected: tuple[Any, ...], proxy: dict[str, Any], validate: Callable[[Compiled], None]
) -> None:
    made = compiled(f"pathNormalization: {{normalization: {mode}}}", proxy)
    found = manager(made)
    held = found["normalize_path"], found.get("merge_slashes"), found.get("path_with_escaped_slashes_action")
    assert held == expected
    validate(made)


SETTINGS = """httpIdleTimeout: 60s, httpMaxConnectionDuration: 61s, httpDrainTimeout: 62s, httpRequestTimeout: 63s,
 httpRequestHeadersTimeout: 64s, httpStreamIdleTimeout: 65s, httpMaxStreamDuration: 66s, httpMaxConcurrentStreams: 67,
 http2InitialStreamWindowSize: 65536, http2InitialConnectionWindowSize: 65537, listenerPerConnectionBufferLimitBytes: 4096,
 httpHeadersWithUnderscoresAction: HEADERS_WITH_UNDERSCORES_DROP_HEADER, httpMergeSlashes: true,
 httpPathWithEscapedSlashesAction: REJECT_REQUEST"""


@pytest.mark.parametrize("proxy", [SIDECAR, ROUTER])
def test_every_setting_of_connections(proxy: dict[str, Any], validate: Callable[[Compiled], None]) -> None:
    made = compiled(f"defaultConfig: {{connectionSettings: {{{SETTINGS}}}}}", proxy)
    found = manager(made)
    assert found["common_http_protocol_options"] == {
        "idle_timeout": "60s",
        "max_connection_duration": "61s",
        "max_stream_duration": "66s",
        "headers_with_underscores_action": "DROP_HEADER",
    }
    times = ("drain_timeout", "request_timeout", "request_headers_timeout", "stream_idle_timeout")
    assert [found[each] for each in times] == ["62s", "63s", "64s", "65s"]
    assert found["http2_protocol_options"] == {
        "max_concurrent_streams": 67,
        "initial_stream_window_size": 65536,
        "initial_connection_window_size": 65537,
    }
    assert (found["merge_slashes"], found["path_with_escaped_slashes_action"]) == (True, "REJECT_REQUEST")
    limits = {name: each.per_connection_buffer_limit_bytes.value for name, each in made.listeners.items()}
    assert {each for name, each in limits.items() if name != "virtualOutbound"} == {4096}
    validate(made)


@pytest.mark.parametrize(
    ("stated", "proxy", "idle", "slashes"),
    [
        ("profile: EDGE", SIDECAR, "0s", None),
        ("profile: EDGE", ROUTER, "300s", True),
        ("profile: EDGE, httpStreamIdleTimeout: 5s, httpMergeSlashes: false", ROUTER, "5s", None),
        ("profile: SIDECAR", ROUTER, "0s", None),
    ],
)
def test_the_profile_of_an_edge_is_for_routers(
    stated: str, proxy: dict[str, Any], idle: str, slashes: bool | None, validate: Callable[[Compiled], None]
) -> None:
    made = compiled(f"defaultConfig: {{connectionSettings: {{{stated}}}}}", proxy)
    found = manager(made)
    assert (found["stream_idle_timeout"], found.get("merge_slashes")) == (idle, slashes)
    validate(made)


def test_a_node_speaks_for_itself() -> None:
    own = {"connectionSettings": {"httpMergeSlashes": False}}
    text = (
        "pathNormalization: {normalization: MERGE_SLASHES}, defaultConfig: {connectionSettings: {httpDrainTimeout: 9s}}"
    )
    found = manager(compiled(text, SIDECAR, PROXY_CONFIG=own))
    assert "merge_slashes" not in found
    assert "drain_timeout" not in found


def test_what_envoy_would_refuse_changes_nothing(validate: Callable[[Compiled], None]) -> None:
    made = compiled(
        "defaultConfig: {connectionSettings: {http2InitialStreamWindowSize: 1, httpDrainTimeout: 9s}}", SIDECAR
    )
    assert "http2_protocol_options" not in manager(made)
    validate(made)

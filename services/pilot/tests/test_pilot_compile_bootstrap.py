"""EnvoyFilters of the bootstrap: which proxies have them, in which order, and what stays the agent's."""

from typing import Any

import pytest
import yaml
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)
from google.protobuf import json_format

from flotilla_pilot.compile.resource import BOOTSTRAP
from flotilla_pilot.delivery.request import parse_request
from flotilla_pilot.delivery.session import Session
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy

A = make_proxy("a", LABELS={"app": "a"})
GATEWAY = make_proxy("gate", 2, "router", LABELS={"app": "gate"})


def patch(value: Any, operation: str = "MERGE", context: str = "ANY") -> Any:
    return {
        "applyTo": "BOOTSTRAP",
        "match": {"context": context},
        "patch": {"operation": operation, "value": value},
    }


def flush(seconds: int, **more: Any) -> Any:
    return patch({"stats_flush_interval": f"{seconds}s"}, **more)


def mesh(*objects: Any) -> Mesh:
    """Each object: its patches, its namespace and the rest of its spec."""
    made = [
        {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": f"f{number}", "namespace": namespace},
            "spec": {"configPatches": patches, **spec},
        }
        for number, (patches, namespace, spec) in enumerate(objects)
    ]
    return Mesh(yaml.safe_dump_all(made))


def bootstrap(compiled: Compiled) -> Any:
    """What the agent is told, as plain data; None where it is told nothing."""
    held = compiled.compiled.resources[BOOTSTRAP]
    return next((json_format.MessageToDict(Bootstrap.FromString(each.body)) for each in held.values()), None)


OWN, ROOT = "default", "istio-system"
ORDERS = {
    "nothing is told where nothing is asked for": ((), None),
    "of two that state one field, the last counts": ((([flush(1), flush(2)], OWN, {}),), "2s"),
    "the root namespace's go first": ((([flush(1)], OWN, {}), ([flush(2)], ROOT, {})), "1s"),
    "a higher priority goes last": ((([flush(1)], OWN, {}), ([flush(2)], ROOT, {"priority": 1})), "2s"),
    "another namespace's are not this proxy's": ((([flush(1)], "other", {}),), None),
    "a selector that fits": ((([flush(1)], OWN, {"workloadSelector": {"labels": {"app": "a"}}}),), "1s"),
    "a selector that does not fit": ((([flush(1)], OWN, {"workloadSelector": {"labels": {"app": "b"}}}),), None),
    "both contexts of a sidecar, in the order of the object": (
        (([flush(1, context="SIDECAR_OUTBOUND"), flush(2, context="SIDECAR_INBOUND")], OWN, {}),),
        "2s",
    ),
    "a gateway's context": ((([flush(1, context="GATEWAY")], OWN, {}),), None),
}


@pytest.mark.parametrize("name", ORDERS)
def test_which_patches_count(name: str) -> None:
    objects, wanted = ORDERS[name]
    found = bootstrap(mesh(*objects).compile(A))
    assert found == (None if wanted is None else {"statsFlushInterval": wanted})


def test_a_gateway_has_those_of_its_context() -> None:
    found = mesh(([flush(1, context="GATEWAY"), flush(2, context="SIDECAR_INBOUND")], OWN, {})).compile(GATEWAY)
    assert bootstrap(found) == {"statsFlushInterval": "1s"}


def test_what_the_agent_cannot_give_away_is_left_out_and_told() -> None:
    place = {"socket_address": {"address": "192.0.2.1", "port_value": 1}}
    value = {
        "node": {"id": "x"},
        "admin": {"address": place},
        "dynamic_resources": {"lds_config": {"ads": {}}},
        "static_resources": {"clusters": [{"name": "mine"}, {"name": "sds-grpc"}]},
    }
    found = mesh(([patch(value)], OWN, {})).compile(A)
    assert bootstrap(found) == {"admin": {}, "staticResources": {"clusters": [{"name": "mine"}]}}
    base = "spec.configPatches[0].patch.value"
    fields = ("admin.address", "dynamic_resources", "node", "static_resources.clusters[1]")
    assert sorted(found.problems()) == [("default/f0", "not-offered", f"{base}.{each}") for each in fields]


@pytest.mark.parametrize("operation", ["ADD", "REMOVE", "REPLACE", "MERGE_AND_REPLACE_LIST"])
def test_other_operations_are_told(operation: str) -> None:
    found = mesh(([flush(1, operation=operation), flush(2)], OWN, {})).compile(A)
    assert bootstrap(found) == {"statsFlushInterval": "2s"}
    assert found.problems() == [("default/f0", "not-offered", "spec.configPatches[0].patch.operation")]


class Unheard:
    def sent(self, *_: object) -> None: ...

    acknowledged = rejected = expired = sent


@pytest.mark.parametrize("dialect", ["sotw", "delta"])
@pytest.mark.parametrize("patches", [[], [flush(3)]])
def test_a_stream_that_asks_is_answered_also_with_nothing(dialect: Any, patches: list[Any]) -> None:
    session = Session(dialect, Unheard())
    asked = DiscoveryRequest if dialect == "sotw" else DeltaDiscoveryRequest
    out = session.request(parse_request(dialect, asked(type_url=BOOTSTRAP).SerializeToString()))
    assert out == []
    out = session.push("1", mesh((patches, OWN, {})).compile(A).compiled)
    (message,) = out
    answer = (DiscoveryResponse if dialect == "sotw" else DeltaDiscoveryResponse).FromString(message)
    assert len(answer.resources) == len(patches)

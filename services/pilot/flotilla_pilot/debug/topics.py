"""The topics of the introspection page, and of the debug port under Istio's names."""

from collections.abc import Callable, Mapping
from typing import Any

from flotilla_pilot.debug.mesh import configz, endpointz, registryz
from flotilla_pilot.debug.problems import BadQuestion, NotFound
from flotilla_pilot.debug.proxies import config_dump, syncz
from flotilla_pilot.delivery.delivery import Delivery
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.status.reporter import object_states, problems_on_proxies
from flotilla_shared.runtime.trace import HopRecorder

NOT_CONNECTED = "Proxy not connected to this Pilot instance. It may be connected to another instance."


Query = Mapping[str, str]
Topic = Callable[..., Any]


def debug_topics(delivery: Delivery, recorder: HopRecorder) -> dict[str, Topic]:
    """The topics by name. One that takes an argument takes the query; may raise NotFound or BadQuestion."""

    def of_snapshot(view: Callable[[MeshSnapshot], Any]) -> Topic:
        return lambda: view(delivery.publication.snapshot) if delivery.publication is not None else []

    def dump(query: Query) -> Any:
        name = query.get("proxyID", "")
        if not name:
            raise BadQuestion("You must provide a proxyID in the query string: proxyID=name.namespace")
        connection = delivery.connections.of(name)
        if connection is None:
            raise NotFound(NOT_CONNECTED)
        if connection.session.compiled is None:
            raise NotFound(f"nothing has been compiled for {name} yet")
        return config_dump(connection.session.compiled, endpoints="include_eds" in query)

    return {
        "syncz": lambda: syncz(delivery),
        "configz": of_snapshot(configz),
        "registryz": of_snapshot(registryz),
        "endpointz": of_snapshot(endpointz),
        "config_dump": dump,
        "status": lambda: statusz(delivery),
        "problems": lambda: problemz(delivery),
        "trace": recorder.topic,
    }


def problemz(delivery: Delivery) -> list[dict[str, Any]]:
    """Every problem of every object, those of Kubernetes objects among them, which Galley hears nothing of."""
    if delivery.publication is None:
        return []
    found = {key: list(each) for key, each in delivery.publication.snapshot.problems.items()}
    for key, each in problems_on_proxies(delivery).items():
        found.setdefault(key, []).extend(each)
    return [
        {"object": str(key), **each.as_dict()}
        for key, problems in sorted(found.items())
        for each in dict.fromkeys(problems)
    ]


def statusz(delivery: Delivery) -> list[dict[str, Any]]:
    """What Pilot tells Galley of every object."""
    return [
        {
            "collection": key.collection,
            "namespace": key.namespace,
            "name": key.name,
            "version": state.version,
            "accepted": state.accepted,
            "problems": [each.as_dict() for each in state.problems],
            "proxies_concerned": state.proxies_concerned,
            "proxies_acknowledged": state.proxies_acknowledged,
            "proxies_rejected": state.proxies_rejected,
        }
        for key, state in sorted(object_states(delivery).items())
    ]

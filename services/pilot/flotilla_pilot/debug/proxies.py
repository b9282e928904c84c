"""Connected proxies: what each was sent, has acknowledged and has rejected, and what it is to hold."""

from typing import Any

from envoy.admin.v3.config_dump_pb2 import ConfigDump
from envoy.admin.v3.config_dump_shared_pb2 import (
    ClustersConfigDump,
    EndpointsConfigDump,
    ListenersConfigDump,
    RoutesConfigDump,
)
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage

from flotilla_pilot.compile.resource import (
    BOOTSTRAP,
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTES,
    CompiledProxy,
    CompiledResource,
)
from flotilla_pilot.delivery.connection import Connection
from flotilla_pilot.delivery.delivery import Delivery
from flotilla_pilot.delivery.ledger import NOBODY
from flotilla_pilot.delivery.watch import Watch

_ENVOYS = {CLUSTER: "cluster", LISTENER: "listener", ROUTES: "route", ENDPOINTS: "endpoint"}
NAMES = {**_ENVOYS, BOOTSTRAP: "bootstrap"}


def syncz(delivery: Delivery) -> list[dict[str, Any]]:
    """Istio's `/debug/syncz`: a proxy is in sync where `<type>_sent` and `<type>_acked` are equal nonces.

    Beyond Istio's fields: `resources` counts and names what was rejected, with the proxy's words; `objects`
    counts configuration objects; `current` says whether the proxy was brought to the newest snapshot.
    """
    delivery.record_outcomes()
    return [_sync(each, delivery) for each in delivery.connections]


def _sync(connection: Connection, delivery: Delivery) -> dict[str, Any]:
    proxy, watches = connection.proxy, connection.session.watches
    outcome = delivery.ledger.by_connection().get(connection.name, NOBODY)
    return {
        "cluster_id": proxy.cluster_id,
        "proxy": f"{proxy.name}.{proxy.namespace}",
        "proxy_type": proxy.kind,
        "istio_version": proxy.metadata.get("ISTIO_VERSION", ""),
        **{key: value for type_url, name in _ENVOYS.items() for key, value in _nonces(name, watches.get(type_url))},
        "node": proxy.node_id,
        "address": connection.peer.address,
        "identity": connection.peer.identity,
        "connected_at": connection.since.isoformat(),
        "dialect": connection.dialect,
        "current": connection.publication is delivery.publication,
        "snapshot": connection.session.version,
        "resources": {NAMES[type_url]: _resources(watch) for type_url, watch in watches.items()},
        "objects": {
            "concerned": len(outcome.concerned),
            "acknowledged": len(outcome.acknowledged),
            "rejected": sorted(str(key) for key in outcome.rejected),
        },
    }


def _nonces(name: str, watch: Watch | None) -> list[tuple[str, str]]:
    sent, acked = (watch.nonce, watch.acked_nonce) if watch is not None else ("", "")
    return [(f"{name}_sent", sent), (f"{name}_acked", acked)]


def _resources(watch: Watch) -> dict[str, Any]:
    return {
        "sent": len(watch.held),
        "acknowledged": len(watch.accepted),
        "unanswered": len(watch.outstanding),
        "rejected": [
            {"name": name, "version": each.version, "text": each.text} for name, each in sorted(watch.rejected.items())
        ],
        "last_error": watch.last_error,
    }


def config_dump(compiled: CompiledProxy, *, endpoints: bool = False) -> dict[str, Any]:
    """What a proxy is to hold, as Envoy's admin `/config_dump` would show it."""
    resources = compiled.resources
    clusters = ClustersConfigDump(
        dynamic_active_clusters=[
            ClustersConfigDump.DynamicCluster(version_info=each.version, cluster=_any(each))
            for each in resources[CLUSTER].values()
        ]
    )
    listeners = ListenersConfigDump(
        dynamic_listeners=[
            ListenersConfigDump.DynamicListener(
                name=each.name,
                active_state=ListenersConfigDump.DynamicListenerState(version_info=each.version, listener=_any(each)),
            )
            for each in resources[LISTENER].values()
        ]
    )
    routes = RoutesConfigDump(
        dynamic_route_configs=[
            RoutesConfigDump.DynamicRouteConfig(version_info=each.version, route_config=_any(each))
            for each in resources[ROUTES].values()
        ]
    )
    parts = [clusters, listeners, routes]
    if endpoints:
        parts.append(
            EndpointsConfigDump(
                dynamic_endpoint_configs=[
                    EndpointsConfigDump.DynamicEndpointConfig(version_info=each.version, endpoint_config=_any(each))
                    for each in resources[ENDPOINTS].values()
                ]
            )
        )
    dump = ConfigDump()
    for part in parts:
        dump.configs.add().Pack(part)
    shown: dict[str, Any] = json_format.MessageToDict(dump, preserving_proto_field_name=True)
    return shown


def _any(resource: CompiledResource) -> AnyMessage:
    return AnyMessage(type_url=resource.type_url, value=resource.body)

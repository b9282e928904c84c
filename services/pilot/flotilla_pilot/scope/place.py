"""Where a proxy calls from."""

from collections.abc import Iterator

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.place import NETWORK, NODE, REGION, SUBZONE, ZONE, Place, label_of, stated_locality
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.services import Endpoint
from flotilla_pilot.model.snapshot import MeshSnapshot


def place_of(snapshot: MeshSnapshot, proxy: Proxy) -> Place:
    """The place of `proxy`, with its node and its labels as far as somebody asks for them.

    What the registry knows of its workload counts before what the proxy says of itself.
    """
    own = next(_own_endpoints(snapshot, proxy), None)
    node = (own.node if own is not None else "") or proxy.metadata.get("NODE_NAME", "")
    known = own.locality if own is not None else ""
    locality = known or _by_labels(proxy) or snapshot.localities.get(node, "") or proxy.locality
    network = proxy.network or proxy.labels.get(NETWORK, "")
    entered = network if snapshot.networks else ""
    asked = snapshot.priority_labels
    if not asked:
        return Place(locality, network=entered)
    located = Endpoint("", labels=proxy.labels, locality=locality, network=network, node=node)
    cluster = proxy.cluster_id or snapshot.mesh.cluster_id
    labels = FrozenMap({name: label_of(located, name, cluster) for name in asked})
    return Place(locality, node if NODE in asked else "", labels, entered)


def _own_endpoints(snapshot: MeshSnapshot, proxy: Proxy) -> Iterator[Endpoint]:
    """The endpoints that the proxy stands beside, those that say where they are.

    Several workloads may have one address: by loopback ones nobody is known.
    """
    for address in proxy.addresses:
        for _, endpoint in snapshot.serving.get(address, ()):
            is_own = endpoint.namespace == proxy.namespace and endpoint.labels.items() <= proxy.labels.items()
            if is_own and endpoint.locality:
                yield endpoint


def _by_labels(proxy: Proxy) -> str:
    written = "/".join(proxy.labels.get(name, "") for name in (REGION, ZONE, SUBZONE)).rstrip("/")
    return written or stated_locality(proxy.labels)

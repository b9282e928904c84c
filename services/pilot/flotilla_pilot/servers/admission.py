"""May this peer be this proxy?"""

from typing import Any

import grpc

from flotilla_pilot.delivery.connection import StreamEnded
from flotilla_pilot.model.proxy import NodeRefused, Proxy
from flotilla_shared.model.spiffe import parse_spiffe
from flotilla_shared.runtime.serving import Peer


def admit(node: Any, peer: Peer, trust_domain: str) -> Proxy:
    """The proxy that `node` describes, if `peer`'s certificate is that proxy's.

    Raises StreamEnded: INVALID_ARGUMENT for a node that cannot be served, UNAUTHENTICATED without a
    certificate of the mesh, PERMISSION_DENIED where namespace or service account are not the certificate's.
    """
    if node is None or not node.id:
        raise StreamEnded(grpc.StatusCode.INVALID_ARGUMENT, "the first request of a stream must name its node")
    try:
        proxy = Proxy.from_node(node)
    except NodeRefused as refused:
        raise StreamEnded(grpc.StatusCode.INVALID_ARGUMENT, str(refused)) from refused
    _check_identity(proxy, peer.identity, trust_domain)
    return proxy


def _check_identity(proxy: Proxy, identity: str | None, trust_domain: str) -> None:
    if identity is None:
        raise StreamEnded(
            grpc.StatusCode.UNAUTHENTICATED,
            f"node {proxy.node_id!r} came without a client certificate; Pilot needs one with the workload's identity",
        )
    try:
        shown = parse_spiffe(identity)
    except ValueError as error:
        raise StreamEnded(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error
    stated = (trust_domain, proxy.namespace, proxy.service_account)
    if (shown.trust_domain, shown.namespace, shown.service_account) != stated:
        raise StreamEnded(
            grpc.StatusCode.PERMISSION_DENIED,
            f"node {proxy.node_id!r} says that it is namespace {proxy.namespace!r}, service account "
            f"{proxy.service_account!r} of {trust_domain!r}, but its certificate is {identity}; "
            "both must name the same",
        )

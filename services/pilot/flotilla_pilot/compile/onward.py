"""Where calls go that are for nobody whom the mesh knows."""

from flotilla_pilot.compile import names
from flotilla_pilot.compile.destinations import Destinations, Target, unknown
from flotilla_pilot.scope.sidecar import SidecarScope

BLACK_HOLE = Target(names.BLACK_HOLE)
PASSTHROUGH = Target(names.PASSTHROUGH)


def onward(scope: SidecarScope, destinations: Destinations) -> Target:
    """Nowhere, to where they were dialled, or to the proxy for all ways out that the Sidecar names (`egressProxy`)."""
    if not scope.allow_any:
        return BLACK_HOLE
    proxy = scope.egress_proxy
    if proxy is None:
        return PASSTHROUGH
    service = scope.services.get(proxy.host)
    if service is None:
        return unknown(proxy.port, proxy.subset, proxy.host)
    return destinations.of(service, proxy.port, proxy.subset)

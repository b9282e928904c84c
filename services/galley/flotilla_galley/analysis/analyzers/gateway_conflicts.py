"""Gateways that claim the same host on the same port of the same pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.kinds import PODS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import full_names, pods_selected, shown
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Server
from flotilla_shared.model.kinds import GATEWAYS
from flotilla_shared.model.labels import selects

Claim = tuple[int, str, str]


def look(gateway: Resource, view: View) -> Iterator[Message]:
    claimants = view.once(_claimants)
    for index, server in enumerate(gateway.spec.servers):
        others = {each for claim in _claims(gateway, server) for each in claimants[claim] if each is not gateway}
        rivals = [each for each in others if _same_pods(gateway, each, view)]
        if rivals:
            yield _conflict(gateway, index, server, rivals)


def _conflict(gateway: Resource, index: int, server: Server, rivals: list[Resource]) -> Message:
    return tell(
        "ConflictingGateways",
        gateway,
        f"spec.servers[{index}].hosts",
        gateways=full_names(rivals),
        selector=shown(gateway.spec.selector),
        port=server.port.number,
        hosts=", ".join(server.hosts),
    )


def _claimants(view: View) -> dict[Claim, list[Resource]]:
    found: dict[Claim, list[Resource]] = defaultdict(list)
    for gateway in view.all(GATEWAYS):
        for server in gateway.spec.servers:
            for claim in _claims(gateway, server):
                found[claim].append(gateway)
    return found


def _claims(gateway: Resource, server: Server) -> Iterator[Claim]:
    """(port, address, host with the namespace for which it is served)."""
    for written in server.hosts:
        scope, slash, host = written.rpartition("/")
        place = (gateway.namespace if scope == "." else scope) if slash else "*"
        yield server.port.number, server.bind, f"{place}/{host.lower()}"


def _same_pods(one: Resource, other: Resource, view: View) -> bool:
    """Whether they select alike, or one selects more narrowly and there is such a pod."""
    first, second = one.spec.selector, other.spec.selector
    if first == second:
        return True
    both: Mapping[str, str] = {**first, **second}
    return (selects(first, second) or selects(second, first)) and bool(pods_selected(view, both))


ANALYZER = Analyzer(
    "gateway.ConflictingGatewayAnalyzer",
    "whether two Gateways claim the same host on the same port",
    (GATEWAYS, PODS),
    {GATEWAYS: look},
)

"""The endpoints of one cluster by locality, with the priorities and weights that a caller's place gives them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from flotilla_pilot.compile.locality import Balance, Share, matches
from flotilla_pilot.model.place import NETWORK, Parts, Place, label_of, parts
from flotilla_pilot.model.services import TLS_ISTIO, Endpoint
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings

Member = tuple[Endpoint, bool]
"""An endpoint, and whether it takes the mesh's TLS."""

MAX_WEIGHT = 2**32 - 1
_STEPS = 5
"""Priorities that regions, zones and subzones can give: 0 to 4."""


@dataclass(frozen=True, slots=True)
class Group:
    """Endpoints of one locality and priority. No weight is that of nobody."""

    locality: str
    members: tuple[Member, ...] = ()
    weight: int | None = None
    priority: int = 0


def by_locality(members: Iterable[Member]) -> list[Group]:
    """One group a locality, in order of their names; a group weighs what its endpoints do together."""
    found: dict[Parts, list[Member]] = {}
    for each in members:
        found.setdefault(parts(each[0].locality), []).append(each)
    return [_group("/".join(place).rstrip("/"), within) for place, within in sorted(found.items())]


def _group(locality: str, members: Iterable[Member], priority: int = 0) -> Group:
    held = tuple(members)
    return Group(locality, held, _weight(held), priority)


def _weight(members: Iterable[Member]) -> int:
    return min(sum(each.weight for each, _ in members), MAX_WEIGHT)


def in_mesh_tls(member: Member, stated: ClientTLSSettings | None) -> bool:
    """Whether calls to an endpoint are in the mesh's TLS: as a DestinationRule states, else as policies have it."""
    endpoint, mutual = member
    if stated is None:
        return mutual
    return stated.mode == ClientTLSSettings.ISTIO_MUTUAL and endpoint.tls_mode == TLS_ISTIO


def only_mutual(group: Group, stated: ClientTLSSettings | None) -> Group:
    """The group without what is not called in the mesh's TLS; it stays even if nobody is left."""
    members = tuple(each for each in group.members if in_mesh_tls(each, stated))
    return replace(group, members=members, weight=_weight(members) or None)


def placed(groups: Sequence[Group], balance: Balance, place: Place, cluster: str) -> list[Group]:
    """`groups` as a caller at `place` is to use them; `cluster` is where the endpoints are.

    Priorities have no gaps.
    """
    if balance.shares:
        share = balance.share_of(place)
        return _shared(groups, share) if share is not None else list(groups)
    if balance.labels:
        wanted = balance.wanted(place)
        groups = _without_gaps([one for each in groups for one in _by_labels(each, wanted, cluster)])
    if balance.labels and not balance.failover:
        return list(groups)
    return _without_gaps([_by_distance(each, balance, place) for each in groups])


def _shared(groups: Sequence[Group], share: Share) -> list[Group]:
    """What no part of the share names gets no calls: its endpoints go away."""
    weights: dict[int, int] = {}
    for target, percent in share.to:
        named = [n for n, each in enumerate(groups) if n not in weights and matches(each.locality, target)]
        whole = sum(groups[n].weight or 1 for n in named)
        for n in named:
            weights[n] = -(-(groups[n].weight or 1) * percent // whole)
    return [
        replace(each, weight=weights[n]) if weights.get(n) else replace(each, members=())
        for n, each in enumerate(groups)
    ]


def _by_labels(group: Group, wanted: Sequence[tuple[str, str]], cluster: str) -> Iterable[Group]:
    """The group by how near its endpoints' labels come to those that are wanted."""
    found: dict[int, list[Member]] = {}
    for each in group.members:
        alike = [label_of(each[0], name, cluster) == value for name, value in wanted]
        found.setdefault(_rank(alike, by_network=wanted[0][0] == NETWORK), []).append(each)
    return [_group(group.locality, within, priority) for priority, within in sorted(found.items())]


def _rank(alike: Sequence[bool], *, by_network: bool) -> int:
    """How many labels are not as they are wanted, from the first of these on: after one, none counts any more.

    A network that comes first is preferred and no more: within it and outside it the other labels count alike.
    """
    if by_network:
        return _rank(alike[1:], by_network=False) + (0 if alike[0] else len(alike))
    return len(alike) - (alike.index(False) if False in alike else len(alike))


def _by_distance(group: Group, balance: Balance, place: Place) -> Group:
    distance = _distance(parts(place.locality), parts(group.locality))
    own = parts(place.locality)[0]
    to = next((to for source, to in balance.failover if source == own), None)
    if distance == _STEPS - 2 and to is not None and parts(group.locality)[0] != to:
        distance = _STEPS - 1
    return replace(group, priority=group.priority * _STEPS + distance)


def _distance(own: Parts, other: Parts) -> int:
    """0 in the same subzone, 1 in the same zone, 2 in the same region, 3 elsewhere."""
    same = next((n for n, (one, two) in enumerate(zip(own, other, strict=True)) if one != two), len(own))
    return len(own) - same


def _without_gaps(groups: Sequence[Group]) -> list[Group]:
    """Envoy takes no priority for which there is none before it."""
    order = {priority: n for n, priority in enumerate(sorted({each.priority for each in groups}))}
    return [replace(each, priority=order[each.priority]) for each in groups]

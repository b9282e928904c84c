"""Addresses for services that state none, so that DNS can tell them apart (pilot.md 2.4).

A service's place among all possible addresses is a hash of its namespace and host, as in Istio, and so the same in every
replica and after every restart. Of two with the same place the older keeps it. What else there is moves no address.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flotilla_pilot.model.services import Resolution, Service
from flotilla_shared.model.hosts import is_wildcard

OPT_OUT = "networking.istio.io/enable-autoallocate-ip"
_PLACES = 256 * 254
_PRIME = 65011
"""The largest prime below."""
_RESOLVED = (Resolution.STATIC, Resolution.DNS, Resolution.DNS_ROUND_ROBIN)
_FNV_OFFSET, _FNV_PRIME, _WORD = 2166136261, 16777619, 0xFFFFFFFF


class GivenAddresses(NamedTuple):
    """One of each family, of 240.240.0.0/16 and 2001:2::/48."""

    v4: str
    v6: str


def give_addresses(services: Iterable[Service]) -> dict[tuple[str, str], GivenAddresses]:
    """By namespace and host. `services` come oldest first; there are none left after 65,024.

    Each declaration of a host takes a place, and the host has the first of them, as in Istio.
    """
    taken: dict[int, tuple[str, str]] = {}
    for service in filter(_wants, services):
        name = service.namespace, service.host
        for _ in (service.source, *service.joined):
            if len(taken) < _PLACES:
                taken[next(each for each in _places("/".join(name)) if each not in taken)] = name
    first = {name: place for place, name in sorted(taken.items(), reverse=True)}
    return {name: _addresses(place) for name, place in first.items()}


def _wants(service: Service) -> bool:
    """Nobody can be dialled in place of an original destination, nor in place of hosts that are not known yet."""
    if service.is_native or service.addresses or is_wildcard(service.host):
        return False
    return service.resolution in _RESOLVED and service.source.labels.get(OPT_OUT, "").lower() != "false"


def _places(name: str) -> Iterator[int]:
    """Where to look for a free place, the best first."""
    number = _fnv1a(name.encode())
    yield number % _PLACES
    step = _PRIME - number % _PRIME
    for again in range(1, _PLACES):
        yield (number + again * step & _WORD) % (_PLACES - 1)
    yield from range(_PLACES)


def _addresses(place: int) -> GivenAddresses:
    """No address ends in 0; where Istio would move all that follow by one, this one takes the unused 255."""
    third, fourth = divmod(place + 1, 255)
    if fourth == 0:
        third, fourth = third - 1, 255
    return GivenAddresses(f"240.240.{third}.{fourth}", f"2001:2::f0f0:{third * 256 + fourth:x}")


def _fnv1a(text: bytes) -> int:
    found = _FNV_OFFSET
    for byte in text:
        found = (found ^ byte) * _FNV_PRIME & _WORD
    return found

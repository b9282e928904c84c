"""Which addresses of a service its callers know: those of their own family, and given ones where they can be asked for."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from flotilla_pilot.model.given_addresses import GivenAddresses
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.services import Service


@dataclass(frozen=True, slots=True)
class AddressView:
    """The families of a proxy's own addresses, and whether its DNS answers with given addresses.

    A workload of both families calls a service by that of the service's first address.
    """

    families: frozenset[int]
    given: bool = False

    def see(self, services: Iterable[Service], given: Mapping[tuple[str, str], GivenAddresses]) -> list[Service]:
        """`services` with the addresses by which the proxy's workload calls them."""
        return [self._seen(each, given.get((each.namespace, each.host))) for each in services]

    def _seen(self, service: Service, given: GivenAddresses | None) -> Service:
        stated = service.addresses
        if given is not None and self.given and not stated:
            stated = tuple(given)
        found = self.choose(stated)
        return service if found == service.addresses else replace(service, addresses=found)

    def choose(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the one family; where there are none, all as they are."""
        if len(addresses) < 2:
            return addresses
        families = [family(each) for each in addresses]
        if len(set(families)) < 2 or not self.families:
            return addresses
        wanted = families[0] if len(self.families) > 1 else next(iter(self.families))
        return tuple(each for each, its in zip(addresses, families, strict=True) if its == wanted)


def address_view(proxy: Proxy, *, for_all: bool) -> AddressView:
    """What `proxy` is told. `for_all`: given addresses are for every proxy whose DNS can answer with them."""
    found = {family(each) for each in proxy.addresses} - {0}
    return AddressView(frozenset(found), given=proxy.captures_dns and (for_all or proxy.asks_for_addresses))


@lru_cache(8192)
def family(address: str) -> int:
    """4 or 6, of an address or a network; 0 for what is neither."""
    try:
        return ipaddress.ip_interface(address).version
    except ValueError:
        return 0

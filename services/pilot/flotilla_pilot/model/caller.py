"""What of a proxy shows in the clusters that it gets."""

from dataclasses import dataclass
from enum import Enum

from flotilla_pilot.model.proxy import SIDECAR, Proxy


class Families(Enum):
    """The versions of IP in which a workload has addresses."""

    V4 = "v4"
    V6 = "v6"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """A certificate of the workload's own, by which it is known instead of the mesh's: three paths in its file system."""

    chain: str
    key: str
    root: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Proxies that are equal in this get equal clusters, as far as a cluster depends on who it is for."""

    is_sidecar: bool = True
    families: Families = Families.V4
    files: ClientFiles | None = None


A_SIDECAR = Caller()


def caller_of(proxy: Proxy) -> Caller:
    """`proxy` as its clusters see it."""
    return Caller(proxy.kind == SIDECAR, families_of(proxy.addresses), _files(proxy))


def families_of(addresses: tuple[str, ...]) -> Families:
    """Without an address, a workload speaks IPv4."""
    six = {":" in each for each in addresses}
    if len(six) == 2:
        return Families.BOTH
    return Families.V6 if True in six else Families.V4


def _files(proxy: Proxy) -> ClientFiles | None:
    chain = proxy.metadata.get("TLS_CLIENT_CERT_CHAIN", "")
    if not chain:
        return None
    return ClientFiles(chain, proxy.metadata.get("TLS_CLIENT_KEY", ""), proxy.metadata.get("TLS_CLIENT_ROOT_CERT", ""))

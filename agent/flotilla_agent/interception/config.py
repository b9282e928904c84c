"""What interception can be told, and whether it can be done so. The names of the flags are those of istio-iptables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeVar

ALL = "*"
MODES = ("REDIRECT", "TPROXY", "NONE")
# Interface names end before 16 bytes; `+` at the end means any that begins so.
_INTERFACE = re.compile(r"^[A-Za-z0-9_.:-]{1,15}\+?$")
_OWNER = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$")

T = TypeVar("T")
Network = IPv4Network | IPv6Network


class InterceptionRefused(ValueError):
    """Interception cannot be done as asked, or not here; one sentence says why and what would be right."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Networks of both families, or all addresses."""

    all: bool = False
    networks: tuple[Network, ...] = ()

    def of(self, version: int) -> tuple[Network, ...]:
        return tuple(each for each in self.networks if each.version == version)

    @property
    def holds_loopback(self) -> bool:
        return any(each.is_loopback for each in self.networks)


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports, or all of them."""

    all: bool = False
    ports: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self.all or bool(self.ports)


@dataclass(frozen=True, slots=True)
class InterceptionConfig:
    """All of it. Ports and ranges that are excluded win over those that are included."""

    mode: str = "REDIRECT"
    outbound_port: int = 15001
    inbound_port: int = 15006
    tunnel_port: int = 15008
    proxy_uids: tuple[str, ...] = ("1337",)
    proxy_gids: tuple[str, ...] = ("1337",)
    inbound_include: Ports = Ports()
    inbound_exclude: tuple[int, ...] = ()
    outbound_ports_include: tuple[int, ...] = ()
    outbound_ports_exclude: tuple[int, ...] = ()
    outbound_ranges_include: Ranges = Ranges()
    outbound_ranges_exclude: Ranges = Ranges()
    owner_groups_include: tuple[str, ...] = (ALL,)
    owner_groups_exclude: tuple[str, ...] = ()
    virtual_interfaces: tuple[str, ...] = ()
    exclude_interfaces: tuple[str, ...] = ()
    tproxy_mark: int = 1337
    tproxy_table: int = 133
    redirect_dns: bool = False
    capture_all_dns: bool = False
    dns_servers: tuple[str, ...] = ()
    drop_invalid: bool = False
    loopback_v4: str = "127.0.0.1/32"

    def __post_init__(self) -> None:
        """Raises InterceptionRefused for what contradicts itself."""
        if self.mode not in MODES:
            raise InterceptionRefused(f"--istio-inbound-interception-mode {self.mode!r} must be {', '.join(MODES)}")
        if self.outbound_ranges_exclude.all:
            raise InterceptionRefused(
                "--istio-service-exclude-cidr must be a list of networks such as 10.0.0.0/8; `*` would exclude everything"
            )
        if not self.proxy_uids and not self.proxy_gids:
            raise InterceptionRefused(
                "--proxy-uid and --proxy-gid are empty: the proxy's own calls would come back to it"
            )

    @property
    def dns(self) -> bool:
        """Whether DNS is redirected: it must be asked for, and be known which servers, or all."""
        return self.redirect_dns and (self.capture_all_dns or bool(self.dns_servers))

    def dns_of(self, version: int) -> tuple[str, ...]:
        return tuple(each for each in self.dns_servers if ip_address(each).version == version)


def read_ports(flag: str, text: str) -> tuple[int, ...]:
    """`80,443`. Raises InterceptionRefused, naming the flag and the port."""
    return tuple(_each(text, lambda word: read_port(flag, word)))


def read_ports_or_all(flag: str, text: str) -> Ports:
    """`80,443` or `*`."""
    return Ports(all=True) if text.strip() == ALL else Ports(ports=read_ports(flag, text))


def read_port(flag: str, word: str) -> int:
    if not word.isdigit() or not 0 < int(word) < 65536:
        raise InterceptionRefused(f"{flag}: {word!r} is no port: it must be a number between 1 and 65535")
    return int(word)


def read_ranges(flag: str, text: str) -> Ranges:
    """`10.0.0.0/8,2001:db8::/32` or `*`. An address alone is a network of one."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if ALL in words:
        return Ranges(all=True)
    return Ranges(networks=tuple(_network(flag, word) for word in words))


def _network(flag: str, word: str) -> Network:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        raise InterceptionRefused(f"{flag}: {word!r} is no network: it must be of the form 10.0.0.0/8") from None


def read_owners(flag: str, text: str) -> tuple[str, ...]:
    """Users or groups, by number or name."""
    return tuple(_each(text, lambda word: _matching(flag, word, _OWNER, "a user or group, by number or name")))


def read_interfaces(flag: str, text: str) -> tuple[str, ...]:
    return tuple(_each(text, lambda word: _matching(flag, word, _INTERFACE, "the name of an interface, such as eth1")))


def read_addresses(flag: str, text: str) -> tuple[str, ...]:
    return tuple(_each(text, lambda word: _address(flag, word)))


def _address(flag: str, word: str) -> str:
    try:
        return str(ip_address(word))
    except ValueError:
        raise InterceptionRefused(f"{flag}: {word!r} is no IP address") from None


def _matching(flag: str, word: str, form: re.Pattern[str], what: str) -> str:
    if not form.match(word):
        raise InterceptionRefused(f"{flag}: {word!r} must be {what}")
    return word


def _each(text: str, read: Callable[[str], T]) -> Iterable[T]:
    return [read(word.strip()) for word in text.split(",") if word.strip()]

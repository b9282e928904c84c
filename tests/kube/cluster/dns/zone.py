"""The names of a cluster, as Kubernetes defines them, made from its Services and EndpointSlices. Pure.

Services with an address, headless ones with their endpoints, ports as SRV, external names as CNAME, and the way back as PTR.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

Object = Mapping[str, Any]
# What a name has: type of record -> values in the text form of zone files.
Records = dict[str, list[str]]

SCHEMA_VERSION = "1.1.0"
SERVICE_LABEL = "kubernetes.io/service-name"


class Zone:
    """All records at one moment. Names are lower case and without the last dot."""

    def __init__(self, domain: str, services: Iterable[Object], slices: Iterable[Object]) -> None:
        self.domain = domain
        self._records: dict[str, Records] = defaultdict(lambda: defaultdict(list))
        self._add(f"dns-version.{domain}", "TXT", f'"{SCHEMA_VERSION}"')
        endpoints = _by_service(slices)
        for service in services:
            meta = service["metadata"]
            self._service(service, endpoints.get((meta["namespace"], meta["name"]), []))
        self._parents = {parent for name in self._records for parent in _parents(name)}

    def find(self, name: str) -> Records | None:
        """The records of a name, none for one that only has names below it, None where there is no such name."""
        if name in self._records:
            return dict(self._records[name])
        return {} if name in self._parents else None

    def _service(self, service: Object, slices: list[Object]) -> None:
        meta, spec = service["metadata"], service["spec"]
        name = f"{meta['name']}.{meta['namespace']}.svc.{self.domain}"
        if spec.get("type") == "ExternalName":
            self._add(name, "CNAME", spec["externalName"].rstrip(".") + ".")
        elif spec.get("clusterIP") == "None":
            self._headless(name, slices)
        else:
            self._with_address(name, spec)

    def _with_address(self, name: str, spec: Object) -> None:
        for address in spec.get("clusterIPs") or []:
            self._address(name, address)
            self._add(ip_address(address).reverse_pointer, "PTR", f"{name}.")
        for port in spec.get("ports", []):
            self._port(name, port, name)

    def _headless(self, name: str, slices: list[Object]) -> None:
        for piece in slices:
            for endpoint, address in _ready(piece):
                host = endpoint.get("hostname") or address.replace(".", "-").replace(":", "-")
                self._address(name, address)
                self._address(f"{host}.{name}", address)
                self._add(ip_address(address).reverse_pointer, "PTR", f"{host}.{name}.")
                for port in piece.get("ports") or []:
                    self._port(name, port, f"{host}.{name}")

    def _port(self, name: str, port: Object, target: str) -> None:
        if port.get("name"):
            protocol = port.get("protocol", "TCP").lower()
            self._add(f"_{port['name']}._{protocol}.{name}", "SRV", f"0 100 {port['port']} {target}.")

    def _address(self, name: str, address: str) -> None:
        self._add(name, "A" if ip_address(address).version == 4 else "AAAA", address)

    def _add(self, name: str, kind: str, value: str) -> None:
        values = self._records[name.lower()][kind]
        if value not in values:
            values.append(value)


def _by_service(slices: Iterable[Object]) -> dict[tuple[str, str], list[Object]]:
    found: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for piece in slices:
        meta = piece["metadata"]
        found[(meta["namespace"], (meta.get("labels") or {}).get(SERVICE_LABEL, ""))].append(piece)
    return found


def _ready(piece: Object) -> Iterator[tuple[Object, str]]:
    """Endpoints without a condition count as ready, as the API says."""
    for endpoint in piece.get("endpoints") or []:
        if (endpoint.get("conditions") or {}).get("ready") is not False:
            for address in endpoint["addresses"]:
                yield endpoint, address


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.partition(".")[2]
        yield name

"""Files of cases: configuration, one proxy, calls, and where each lands."""

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot
from flotilla_pilot.offline.calls import Call
from flotilla_pilot.offline.player import Player
from flotilla_pilot.offline.proxies import read_proxy
from flotilla_pilot.offline.render import tree


class BadCase(ValueError):
    """A case file is not as it must be; the text says where."""


def play_case(case: Mapping[str, Any], snapshot: MeshSnapshot) -> Iterator[dict[str, str]]:
    """Of each of the case's `calls` in order the names of what it passes through. `snapshot` is of its `input`.

    Raises BadCase, or NodeRefused for a proxy that cannot be served.
    """
    proxy = read_proxy(case.get("proxy") or {})
    player = Player(tree(Compiler().compile(snapshot, proxy)), redirects=proxy.intercepts and proxy.kind == "sidecar")
    for number, given in enumerate(case.get("calls", ())):
        try:
            call = read_call(given)
        except (KeyError, TypeError, ValueError) as error:
            raise BadCase(f"calls[{number}] has no {error}; a call needs at least call.port") from error
        yield player.play(call).names()


def read_call(given: Mapping[str, Any]) -> Call:
    """The call of an entry: what its author wrote, and the defaults beside it (`effective`)."""
    call: Mapping[str, Any] = given["call"]
    effective: Mapping[str, Any] = given.get("effective", {})
    tls = "tls" if call.get("sni") else effective.get("tls") or call.get("tls") or "plaintext"
    return Call(
        address=call.get("address") or effective.get("address") or "1.3.3.7",
        port=int(call["port"]),
        protocol=call.get("protocol", "tcp"),
        tls=tls,  # a name can only be asked for in TLS
        sni=call.get("sni") or effective.get("sni", ""),
        alpn=call.get("alpn") or effective.get("alpn", ""),
        host=call.get("hostHeader", ""),
        path=effective.get("path") or call.get("path") or "/",
        inbound=call.get("callMode") == "inbound",
    )


SIDECAR_INGRESS_TLS = "ENABLE_TLS_ON_SIDECAR_INGRESS"
AUTO_ALLOCATE = "PILOT_ENABLE_IP_AUTOALLOCATE"
KNOWN = (SIDECAR_INGRESS_TLS, AUTO_ALLOCATE)
"""Settings of the control plane, by the names of the environment variables that Istio has for them.

Without the second only proxies that ask for it (`DNS_AUTO_ALLOCATE`) know the addresses that ServiceEntries are given.
"""


def settings_of(environment: Mapping[str, Any]) -> MeshSettings:
    """Pilot's settings as a case's `environment` says. Raises BadCase for a variable that is not known here."""
    for name, value in environment.items():
        if name not in KNOWN:
            raise BadCase(f"environment {name} is not known here; known are {', '.join(KNOWN)}")
        if str(value).lower() not in ("true", "false"):
            raise BadCase(f"environment {name} is {value!r}; it must be true or false")
    served = str(environment.get(SIDECAR_INGRESS_TLS, "false")).lower() == "true"
    given = str(environment.get(AUTO_ALLOCATE, "true")).lower() == "true"
    # The recorded meshes know no domain: a short name is `name.namespace` in them.
    return MeshSettings(domain="", sidecar_ingress_tls=served, gives_addresses=given)

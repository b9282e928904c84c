"""The call that somebody asks about: `HOST:PORT/PATH` and what else a request has."""

from collections.abc import Mapping

from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.offline.calls import Call
from flotilla_pilot.offline.dialling import dial


class BadTarget(ValueError):
    """What is called cannot be read; the text says what it is."""


def asked_call(
    snapshot: MeshSnapshot,
    caller: Proxy,
    target: str,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    tls: bool = False,
    tcp: bool = False,
) -> Call:
    """The call of `caller` to `target`; `host` among `headers`, by lower-case name, beats the host of `target`.

    `tls`: the caller encrypts by itself. Raises BadTarget.
    """
    place, _, path = target.partition("/")
    host, _, number = place.rpartition(":")
    if not host or not number.isdigit() or not 0 < int(number) < 1 << 16:
        raise BadTarget(f"{target} is no HOST:PORT")
    others = {name: value for name, value in headers.items() if name != "host"}
    return Call(
        address=dial(snapshot, caller, host, int(number)),
        port=int(number),
        protocol="tcp" if tcp else "http",
        tls="tls" if tls else "plaintext",
        sni=host if tls else "",
        alpn="http/1.1" if tls and not tcp else "",
        host=headers.get("host", host),
        path=f"/{path}",
        headers={":method": method, ":scheme": "http", **others},
    )


def read_header(text: str) -> tuple[str, str]:
    """Lower-case name and value of `name: value`. Raises BadTarget."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise BadTarget(f"{text!r} is no header of the form 'name: value'")
    return name.strip().lower(), value.strip()

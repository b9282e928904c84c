"""`flotilla explain`: what a call passes through, and which objects made it so."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flotilla_cli.commands.render import tell
from flotilla_cli.errors import Refused

if TYPE_CHECKING:
    from flotilla_cli.offline.configuration import Configuration
    from flotilla_pilot.model.proxy import Proxy
    from flotilla_pilot.model.snapshot import MeshSnapshot
    from flotilla_pilot.offline.calls import Call
    from flotilla_pilot.offline.explain import Side

ARRIVES, ENDS = 0, 1
PILOT_SECONDS = 30.0


def run(arguments: Namespace) -> int:
    """0 the call arrives (or the cases were played), 1 it ends on its way."""
    if arguments.cases is not None:
        _cases(arguments.cases)
        return ARRIVES
    if arguments.caller is None or arguments.target is None:
        raise Refused("It must be known who calls, and what.", "Give --from WORKLOAD and --to HOST:PORT, or --cases.")
    if arguments.live or arguments.pilot:
        sides, places = ask_pilot(arguments), {}
    else:
        sides, configuration = explained(arguments)
        places = dict(configuration.places)
    _SHOWS[arguments.output](sides, places)
    return ENDS if any(each.error for each in sides) else ARRIVES


def explained(arguments: Namespace) -> tuple[Sequence[Side], Configuration]:
    """The sides of the call that `arguments` ask for; raises Refused."""
    from flotilla_cli.offline.workloads import Workloads
    from flotilla_pilot.offline.explain import explain
    from flotilla_pilot.offline.proxies import UnknownWorkload

    workloads = Workloads.of(arguments)
    tell(workloads.configuration.errors)
    snapshot = workloads.snapshot
    try:
        caller = workloads.caller(arguments.caller)
    except UnknownWorkload as error:
        raise Refused(f"{error}.") from error
    call = read_call(arguments, snapshot, caller)
    return explain(snapshot, caller, call, workloads.beside), workloads.configuration


def ask_pilot(arguments: Namespace) -> Sequence[Side]:
    """The sides by what the running Pilot has sent to its proxies; raises Refused, or NoMesh."""
    if arguments.config or arguments.mesh or arguments.settings:
        raise Refused(
            "A running Pilot has its own configuration.",
            "Leave out --config, --mesh and --settings, or --live and --pilot.",
        )
    import httpx

    from flotilla_cli.commands.place import run_dir
    from flotilla_cli.mesh import PILOT_DEBUG_PORT, Mesh
    from flotilla_pilot.offline.plain import from_plain

    query = {
        "from": arguments.caller,
        "to": arguments.target,
        "header": "\n".join(arguments.header or ()),
        "method": arguments.method,
        "tls": str(arguments.tls).lower(),
        "tcp": str(arguments.tcp).lower(),
    }
    address = arguments.pilot or f"{Mesh.attach(run_dir(arguments)).plan.addresses['pilot']}:{PILOT_DEBUG_PORT}"
    try:
        answer = httpx.get(f"http://{address}/debug/explain", params=query, timeout=PILOT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(f"Pilot's debug port {address} does not answer: {error}.") from error
    if answer.status_code >= 400:
        raise Refused(answer.text.strip() + ".")
    return from_plain(answer.json())


def read_call(arguments: Namespace, snapshot: MeshSnapshot, caller: Proxy) -> Call:
    """The call of `--to`, `-H`, `-X`, `--tcp` and `--tls`; raises Refused."""
    from flotilla_pilot.offline.asking import BadTarget, asked_call, read_header

    try:
        return asked_call(
            snapshot,
            caller,
            arguments.target,
            dict(map(read_header, arguments.header or ())),
            method=arguments.method,
            tls=arguments.tls,
            tcp=arguments.tcp,
        )
    except BadTarget as error:
        raise Refused(f"{error}.", "Write --to reviews:9080 or reviews:9080/path, and -H 'name: value'.") from error


def _cases(file: Path) -> None:
    from flotilla_cli.offline.cases import play
    from flotilla_pilot.offline.cases import BadCase

    try:
        for answer in play(json.loads(file.read_text()), str(file)):
            print(json.dumps(answer))
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.", "Name a file of cases.") from error
    except (BadCase, ValueError) as error:
        raise Refused(f"{file}: {error}.") from error


def _text(sides: Sequence[Side], places: Mapping[Any, str]) -> None:
    print(as_text(sides, places))


def as_text(sides: Sequence[Side], places: Mapping[Any, str]) -> str:
    """What a person reads: each proxy's steps, and below each step the objects that say so."""
    lines: list[str] = []
    for side in sides:
        lines.append(f"at the proxy of {side.proxy}" + ("" if side is sides[0] else ", where it comes in"))
        for step in side.steps:
            detail = f"  ({step.detail})" if step.detail else ""
            lines.append(f"  {step.what:<13} {step.name}{detail}")
            lines += [f"                  from {named(key, places)}" for key in step.made_from]
        if side.delivered:
            lines.append(f"  not in force yet: {side.delivered}")
        if side.error:
            lines.append(f"  the call ends here: {side.error}, {_MEANING.get(side.error, 'it is refused')}")
    return "\n".join(lines)


def named(key: Any, places: Mapping[Any, str]) -> str:
    """The object by kind and name, and where it is written."""
    from flotilla_shared.model.kinds import by_collection

    place, kind = places.get(key, ""), by_collection(key.collection)
    return f"{kind.kind if kind is not None else key.collection} {key.full_name}" + (f" ({place})" if place else "")


def _json(sides: Sequence[Side], places: Mapping[Any, str]) -> None:
    from flotilla_pilot.offline.plain import as_plain

    print(json.dumps(as_plain(sides, places), indent=2))


_SHOWS: Mapping[str, Callable[[Sequence[Side], Mapping[Any, str]], None]] = {"text": _text, "json": _json}
_MEANING = {
    "NoListener": "nothing listens there",
    "NoFilterChain": "no filter chain takes such a connection",
    "MultipleFilterChain": "several filter chains would take it",
    "NoVirtualHost": "the route table has no such host",
    "NoRoute": "no route of the host takes such a request",
    "TLSRedirect": "it is sent to https",
    "ProtocolError": "the listener expects HTTP that is not encrypted",
    "TLSError": "the listener expects TLS",
    "MTLSError": "the caller's certificate is not as the listener asks",
}

"""`flotilla mixer may-talk`: whether a workload may call another, and which policy and rule say so."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flotilla_cli.commands.render import tell
from flotilla_cli.errors import Refused

if TYPE_CHECKING:
    from flotilla_cli.offline.configuration import Configuration

ALLOWED, DENIED = 0, 3  # 1 is what could not be asked, 2 a slip in the command
MIXER_SECONDS = 30.0


def run(arguments: Namespace) -> int:
    """0 all of the destination's workloads may be called, 3 some may not."""
    query = query_of(arguments)
    if arguments.live or arguments.mixer:
        answer = ask_mixer(arguments, query)
        places: dict[str, str] = {}
    else:
        answer, places = ask_files(arguments, query)
    if arguments.output == "json":
        print(json.dumps(answer, indent=2))
    else:
        print(as_text(answer, places))
    return ALLOWED if answer["allowed"] else DENIED


def query_of(arguments: Namespace) -> dict[str, str]:
    """What is asked, as Mixer's page takes it."""
    port = f":{arguments.port}" if arguments.port is not None else ""
    return {
        "source": arguments.source,
        "destination": arguments.destination + port,
        "method": arguments.method,
        "path": arguments.path,
        "host": arguments.host or "",
        "header": "\n".join(arguments.header or ()),
        "sni": arguments.sni or "",
        "remote_ip": arguments.remote_ip or "",
        "claims": arguments.claims or "",
        "tcp": str(arguments.tcp).lower(),
        "roles": str(arguments.roles).lower(),
    }


def ask_files(arguments: Namespace, query: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """By the objects of files, or those of the mesh that is up; with where each policy is written. Raises Refused."""
    from flotilla_mixer.debug.may_talk import question_of
    from flotilla_mixer.offline.may_talk import BadQuestion, may_talk
    from flotilla_mixer.offline.mesh import mesh_of

    configuration = stated(arguments)
    tell(configuration.errors)
    try:
        answer = may_talk(mesh_of(configuration.objects, configuration.kubernetes), question_of(query))
    except BadQuestion as error:
        raise Refused(f"{error}.") from error
    return answer, {f"{_kind(key.collection)} {key.full_name}": place for key, place in configuration.places.items()}


def _kind(collection: str) -> str:
    from flotilla_shared.model.kinds import by_collection

    found = by_collection(collection)
    return found.kind if found is not None else collection


def stated(arguments: Namespace) -> Configuration:
    """The configuration of --config, else of the mesh that is up. Raises Refused, or NoMesh."""
    from flotilla_cli.commands.place import run_dir
    from flotilla_cli.mesh import Mesh
    from flotilla_cli.offline.configuration import read_configuration
    from flotilla_cli.plan.plan import CONFIG, MESH

    if arguments.config:
        return read_configuration(arguments.config, arguments.mesh)
    directory = Mesh.attach(run_dir(arguments)).plan.directory
    return read_configuration([directory / CONFIG], arguments.mesh or directory / MESH)


def ask_mixer(arguments: Namespace, query: Mapping[str, str]) -> dict[str, Any]:
    """By the policies that are in force in a Mixer. Raises Refused, or NoMesh."""
    if arguments.config or arguments.mesh:
        raise Refused(
            "A running Mixer has its own configuration.", "Leave out --config and --mesh, or --live and --mixer."
        )
    import httpx

    from flotilla_cli.commands.place import run_dir
    from flotilla_cli.mesh import INTROSPECTION_PORT, Mesh

    address = arguments.mixer
    if not address:
        address = f"{Mesh.attach(run_dir(arguments)).plan.addresses['mixer']}:{INTROSPECTION_PORT}"
    try:
        response = httpx.get(
            f"http://{address}/debug/may-talk", params=dict(query), timeout=MIXER_SECONDS, trust_env=False
        )
        answer: dict[str, Any] = response.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Refused(f"Mixer's page {address} does not answer: {error}.") from error
    if "error" in answer:
        raise Refused(f"{answer['error']}.")
    return answer


def as_text(answer: Mapping[str, Any], places: Mapping[str, str]) -> str:
    """What a person reads: a line for each workload, and below it what else there is to tell."""
    lines = []
    for each in answer["destinations"]:
        lines.append(f"{'✓' if each['allowed'] else '✗'} {each['workload']}: {each['text']}{_place(each, places)}")
        lines += [
            f"    audited by {_name(found)} rule {found['rule']}{_place(found, places)}" for found in each["audits"]
        ]
        if each["dryRun"] is not None:
            lines.append(f"    with what is only tried out it would be {each['dryRun']['text']}")
        if each.get("policies"):
            lines.append(f"    policies of this workload: {', '.join(each['policies'])}")
    return "\n".join(lines)


def _name(found: Mapping[str, Any]) -> str:
    policy = found["policy"]
    return f"{policy['kind']} {policy['namespace']}/{policy['name']}"


def _place(found: Mapping[str, Any], places: Mapping[str, str]) -> str:
    place = places.get(_name(found), "") if found["policy"] is not None else ""
    return f" ({place})" if place else ""

"""Patches of a cluster."""

from typing import Any

from flotilla_pilot.compile.patches.patch import Kind, Operation, Patch
from flotilla_pilot.compile.patches.transport import merge_with_socket
from flotilla_pilot.compile.patches.turn import Turn


def patch_cluster(cluster: Any, turn: Turn) -> bool:
    """Change `cluster` in place; False if it is to be removed, whatever else is asked. Raises PatchRefused."""
    name = cluster.name
    hosts = turn.hosts.get(name, ())
    patches = [each for each in turn.of(Kind.CLUSTER) if matches_cluster(name, hosts, each)]
    removing = [each for each in patches if each.operation == Operation.REMOVE]
    if removing:
        turn.took(removing[0])
        return False
    for patch in patches:
        turn.current = patch
        if patch.merges:
            merge_with_socket(cluster, patch)
            turn.took(patch)
        elif patch.operation == Operation.REPLACE:
            cluster.CopyFrom(patch.value)
            cluster.name = name
            turn.took(patch)
    return True


def matches_cluster(name: str, hosts: tuple[str, ...], patch: Patch) -> bool:
    """By name, else by the parts of the name; an inbound cluster's services, which its name has not, are `hosts`."""
    stated = patch.match.cluster
    if stated.name:
        return bool(stated.name == name)
    direction, port, subset, host = _parts(name)
    behind = hosts if direction == "inbound" and hosts else (host,)
    return (
        (not stated.subset or stated.subset == subset)
        and (not stated.service or stated.service in behind)
        and (not stated.port_number or str(stated.port_number) == port)
    )


def _parts(name: str) -> tuple[str, str, str, str]:
    """Direction, port, subset and host of a cluster's name, `outbound|80|v1|a.example`, or its name for an SNI."""
    for separator in ("|", "_."):
        parts = name.split(separator, 3)
        if len(parts) == 4:
            return parts[0], parts[1], parts[2], parts[3]
    return "", "", "", ""

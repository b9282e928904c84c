"""Istio's own cases of mesh configuration: what is read of what a user writes is what is read of it with all defaults."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from flotilla_pilot.model.mesh import MeshOptions, MeshSettings, mesh_options
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey

Pair = tuple[Any, Any]
KEY = ObjectKey(kinds.MESH_CONFIG, "istio-system", kinds.MESH_CONFIG_NAME)


def read(written: dict[str, Any]) -> dict[str, Any]:
    """What Pilot reads of a configuration, by name."""
    spec = json_format.ParseDict(written, MeshConfig(), ignore_unknown_fields=True)
    return by_name(mesh_options(ConfigObject(KEY, "1", spec, {}, {}, 0), MeshSettings()))


def by_name(options: MeshOptions) -> dict[str, str]:
    """What values say, for not all of them can be compared."""
    return {each.name: repr(getattr(options, each.name)) for each in fields(options) if each.name != "references"}


def applied(row: Any) -> Pair:
    """The default is filled in under what is written: here, by reading it."""
    given, wanted = row["input"], row["result"][0]
    if row["call"] == "mesh.ApplyProxyConfig" and "trustDomain" not in given["meshConfig"]:
        raise Skipped("the mesh around it is empty, and none has no defaults")
    written = {**given.get("defaultConfig", {}), **(yaml.safe_load(given["yaml"]) or {})}
    if row["call"] == "mesh.ApplyProxyConfig":
        written = {"defaultConfig": {**given["meshConfig"]["defaultConfig"], **written}}
    return differing(read(written), read(wanted))


def differing(found: dict[str, Any], wanted: dict[str, Any]) -> Pair:
    """The values that are not equal, so that a difference can be read."""
    names = [name for name in found if found[name] != wanted[name]]
    return {name: found[name] for name in names}, {name: wanted[name] for name in names}


def default(row: Any) -> Pair:
    return differing(by_name(mesh_options(None, MeshSettings())), read(row["result"][0]))


CHECKS: dict[str, Check] = {
    "mesh.DefaultMeshConfig": default,
    "mesh.ApplyMeshConfig": applied,
    "mesh.ApplyMeshConfigDefaults": applied,
    "mesh.ApplyProxyConfig": applied,
    "mesh.DefaultProxyConfig": skip("it is part of the mesh's default"),
    "mesh.ParseMeshNetworks": skip("networks are told by their gateways' Services"),
}
DIFFERENT: dict[str, str] = {}
"""By id."""


def test_mesh_configurations(vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / "unit" / "mesh-config.jsonl", CHECKS, DIFFERENT)
    assert ran > 10
    assert wrong == [], "\n".join(wrong)

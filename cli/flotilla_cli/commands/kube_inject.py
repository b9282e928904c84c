"""`flotilla kube-inject`: objects from a file, with a proxy in the pods that they make. Asks nobody."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import yaml
from google.protobuf import json_format

from flotilla_cli.errors import Refused
from flotilla_pilot.injection.context import Injector, MeshFacts
from flotilla_pilot.injection.documents import Skipped, inject_documents
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.settings import read_config, read_values
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig

STDIN = "-"


def run(given: Namespace) -> None:
    """Prints, or writes the file that was asked for. Raises Refused."""
    text = sys.stdin.read() if given.filename == STDIN else _read(Path(given.filename))
    try:
        injected = inject_documents(_injector(given), text, _tell)
    except InjectionRefused as error:
        raise Refused(f"{given.filename}: {error}") from error
    if given.output is None:
        print(injected, end="")
    else:
        given.output.write_text(injected)


def _injector(given: Namespace) -> Injector:
    """Raises Refused or InjectionRefused."""
    config = read_config(_read(given.inject_config) if given.inject_config else "")
    values = read_values(_read(given.values) if given.values else "")
    mesh = _mesh(given.mesh_config) if given.mesh_config else MeshFacts()
    return Injector(config, values, mesh, given.revision, given.native)


def _mesh(file: Path) -> MeshFacts:
    try:
        content = yaml.load(_read(file), Loader=yaml.CSafeLoader)  # the safe one
        mesh = json_format.ParseDict(content or {}, MeshConfig(), ignore_unknown_fields=True)
    except (yaml.YAMLError, json_format.ParseError, AttributeError, TypeError) as error:
        raise Refused(f"{file} is no mesh configuration: {' '.join(str(error).split())}") from error
    merges = not mesh.HasField("enable_prometheus_merge") or mesh.enable_prometheus_merge.value
    return MeshFacts(mesh.trust_domain or MeshFacts().trust_domain, mesh.default_config, merges)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def _tell(skipped: Skipped) -> None:
    print(f"flotilla: {skipped.name} is left as it is: {skipped.reason}", file=sys.stderr)

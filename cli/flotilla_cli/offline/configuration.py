"""Configuration from files: read and judged as Galley does, with Kubernetes' own objects beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flotilla_cli.errors import Refused
from flotilla_galley.sources.documents import SourceObject, objects_of
from flotilla_galley.sources.folder import read_folder, read_text
from flotilla_galley.sources.mesh import mesh_reading
from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents
from flotilla_galley.validation.validate import Verdict, decode_object, validate_object
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot
from flotilla_pilot.offline.kubernetes import is_kubernetes, key_of, snapshot_with
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

Judge = Callable[[SourceObject], Verdict]


@dataclass(slots=True)
class Configuration:
    """What the files hold. `places` says where each object is written, `problems` what is wrong; the rest is there."""

    objects: dict[str, dict[ObjectKey, ConfigObject]] = field(default_factory=dict)
    kubernetes: list[Mapping[str, Any]] = field(default_factory=list)
    places: dict[ObjectKey, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def snapshot(self, settings: MeshSettings | None = None) -> MeshSnapshot:
        """The mesh that it describes."""
        return snapshot_with(self.objects, settings or MeshSettings(), self.kubernetes)

    @property
    def errors(self) -> list[Problem]:
        return [each for each in self.problems if each.severity == "error"]

    def add(self, source: SourceObject, verdict: Verdict) -> None:
        self.problems += verdict.problems
        if verdict.item is not None:
            self.objects.setdefault(source.key.collection, {})[source.key] = verdict.item
            self.places[source.key] = f"{source.file}:{source.line}"


def read_configuration(paths: Iterable[Path], mesh: Path | None = None) -> Configuration:
    """Every document of these files and folders; raises Refused for one that cannot be read.

    What Galley would refuse is left out, and among the problems.
    """
    found = Configuration()
    for path in paths:
        for name, text in read_texts(path):
            _add(found, name, text, validate_object)
    _add_mesh(found, str(mesh), _read(mesh) if mesh is not None else "")
    return found


def stated_configuration(stated: Mapping[str, Any], name: str) -> Configuration:
    """The configuration of a case: `configs`, `kubernetes`, `meshConfig`. It is taken as it is: nobody judges it."""
    found = Configuration()
    documents = [*stated.get("configs", ()), *(each for held in stated.get("kubernetes", {}).values() for each in held)]
    _add(found, name, "\n---\n".join(json.dumps(each) for each in documents), decode_object)
    mesh = {key: value for key, value in (stated.get("meshConfig") or {}).items() if value is not None}
    _add_mesh(found, name, json.dumps(mesh))
    return found


def read_settings(file: Path | None) -> MeshSettings:
    """What a file of Pilot's settings (and the environment, as for Pilot) says of the mesh; raises Refused."""
    if file is None:
        return MeshSettings()
    from flotilla_pilot.config import PilotSettings
    from flotilla_shared.runtime.settings import SettingsError, load_settings

    try:
        return MeshSettings(**load_settings(PilotSettings, "pilot", file).of_mesh())
    except SettingsError as error:
        raise Refused(
            f"{error}.", "`python -m flotilla_pilot print-config` shows what Pilot's settings are."
        ) from error


def read_texts(path: Path) -> Sequence[tuple[str, str]]:
    """(name to show, text) of a file, or of every YAML file below a folder. Raises Refused."""
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    if not path.is_dir():
        return [(str(shown), _read(path))]
    reading = read_folder(path)
    if reading.problems:
        first = reading.problems[0]
        raise Refused(f"{first.file}: {first.text}.", "Name a folder whose files can be read.")
    return [(str(shown / name), text) for name, text in reading.texts.items()]


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", "Name a file that is there.") from error
    except ValueError as error:
        raise Refused(f"{path} cannot be read: {error}.", "Name a file of YAML documents.") from error


def _add(found: Configuration, name: str, text: str, judge: Judge) -> None:
    for document in read_documents(text):
        if isinstance(document, YamlError):
            sentence = f"this document is not YAML: {document.text}"
            found.problems.append(Problem("broken-yaml", "", sentence, file=name, line=document.line))
        elif isinstance(document.value, dict) and is_kubernetes(document.value):
            _add_kubernetes(found, name, document)
        else:
            sources, problems = objects_of(name, document)
            found.problems += problems
            for source in sources:
                found.add(source, judge(source))


def _add_kubernetes(found: Configuration, name: str, document: YamlDocument) -> None:
    """An object of Kubernetes' own, or the items of a list, which may be anything."""
    value = document.value
    if value.get("kind") == "List" and isinstance(value.get("items"), list):
        _add(found, name, "\n---\n".join(json.dumps(each) for each in value["items"]), validate_object)
    else:
        found.kubernetes.append(value)
        key = key_of(value)
        if key is not None:
            found.places[key] = f"{name}:{document.line}"


def _add_mesh(found: Configuration, name: str, text: str) -> None:
    reading = mesh_reading(name, text, MeshSettings().root_namespace)
    found.problems += reading.problems
    for source, verdict in reading.objects:
        found.add(source, verdict)
        if not text.strip():
            found.places[source.key] = "defaults"

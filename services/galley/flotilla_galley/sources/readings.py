"""What each source holds now: files read, objects made, validated."""

from __future__ import annotations

from pathlib import Path

from flotilla_galley.snapshot.ledger import Reading
from flotilla_galley.sources.documents import SourceObject, read_objects
from flotilla_galley.sources.folder import FolderReading, read_folder, read_text
from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents
from flotilla_galley.validation.validate import Verdict, validate_object
from flotilla_shared.model.kinds import MESH_CONFIG, MESH_CONFIG_NAME, by_collection
from flotilla_shared.model.objects import ObjectKey, Problem

# What the mesh configuration says where its file says nothing.
MESH_DEFAULTS = {"trustDomain": "cluster.local", "rootNamespace": "istio-system", "enableAutoMtls": True}
MAX_CACHED_FILES = 10_000


class DirectorySource:
    """A directory of YAML. `read` blocks; a file whose text did not change is not parsed again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parsed: dict[str, tuple[str, list[tuple[SourceObject, Verdict]], list[Problem]]] = {}
        self._had_files = False

    def remember_files(self) -> None:
        """There were objects before this process: a directory without any file is then a mistake, too."""
        self._had_files = True

    def read(self) -> Reading:
        """All objects now. Never raises: what cannot be read is a problem."""
        found = read_folder(self.folder)
        if not found.whole:
            return Reading(problems=found.problems, lost=True)
        if not found.texts and not found.unreadable:
            return self._empty()
        self._had_files = True
        return self._parse(found)

    def _empty(self) -> Reading:
        """No file at all: at the first start that is a beginning, later a mount that went away."""
        kept = "; what it held stays as it was" if self._had_files else ""
        text = f"the configuration directory holds no .yaml or .yml file{kept}"
        problem = Problem("directory-empty", "", text, "warning", file=str(self.folder))
        return Reading(problems=(problem,), lost=self._had_files)

    def _parse(self, found: FolderReading) -> Reading:
        objects: list[tuple[SourceObject, Verdict]] = []
        problems = list(found.problems)
        uncertain = set(found.unreadable)
        fresh = {}
        for name, text in found.texts.items():
            known = self._parsed.get(name)
            fresh[name] = known if known is not None and known[0] == text else _parse_file(name, text)
            objects += fresh[name][1]
            problems += fresh[name][2]
            if fresh[name][2]:
                uncertain.add(name)
        self._parsed = fresh
        return Reading(tuple(objects), tuple(problems), frozenset(uncertain))


def _parse_file(name: str, text: str) -> tuple[str, list[tuple[SourceObject, Verdict]], list[Problem]]:
    sources, problems = read_objects(name, text)
    return text, [(source, validate_object(source)) for source in sources], problems


class MeshSource:
    """The mesh configuration's file; a missing one means the defaults. `read` blocks."""

    def __init__(self, file: Path | None, root_namespace: str) -> None:
        self.file = file
        self._key = ObjectKey(MESH_CONFIG, root_namespace, MESH_CONFIG_NAME)

    def read(self) -> Reading:
        """The one object. Never raises."""
        name = str(self.file) if self.file is not None else "defaults"
        if self.file is None:
            return self._reading(name, YamlDocument({}, 1))
        try:
            text = read_text(self.file)
        except FileNotFoundError:
            return self._reading(name, YamlDocument({}, 1))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return self._lost(name, 0, f"the mesh configuration cannot be read: {reason}; the last good one stays")
        return self._document(name, list(read_documents(text)))

    def _document(self, name: str, documents: list[YamlDocument | YamlError]) -> Reading:
        if not documents:
            return self._reading(name, YamlDocument({}, 1))
        if len(documents) > 1:
            line = documents[1].line
            return self._lost(name, line, "the mesh configuration has more than one document; the last good one stays")
        only = documents[0]
        if isinstance(only, YamlError):
            return self._lost(
                name, only.line, f"the mesh configuration is not YAML: {only.text}; the last good one stays"
            )
        if not isinstance(only.value, dict):
            return self._lost(
                name, only.line, "the mesh configuration must be a mapping of fields; the last good one stays"
            )
        return self._reading(name, only)

    def _lost(self, name: str, line: int, text: str) -> Reading:
        return Reading(problems=(Problem("mesh-unreadable", "", text, file=name, line=line),), lost=True)

    def _reading(self, name: str, document: YamlDocument) -> Reading:
        """The file is the spec itself, so its paths are shown with `spec.` in front, as an object's are."""
        kind = by_collection(MESH_CONFIG)
        assert kind is not None
        lines = {f"spec.{path}" if path else "spec": line for path, line in document.lines.items()}
        shifted = YamlDocument(document.value, document.line, lines)
        source = SourceObject(kind, self._key, {**MESH_DEFAULTS, **document.value}, {}, {}, 0, name, shifted)
        return Reading(((source, validate_object(source)),))

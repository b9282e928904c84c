"""From texts to a set of resources: objects of any kind, and the configuration of the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla_galley.analysis.fields import at, mapping, text
from flotilla_galley.analysis.kinds import CONFIG_MAPS, MESH_NETWORKS, kubernetes_kind, placement
from flotilla_galley.analysis.resource import Resource, ResourceKey
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_galley.sources.documents import DEFAULT_NAMESPACE
from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents
from flotilla_shared.model.kinds import MESH_CONFIG, MESH_CONFIG_NAME
from flotilla_shared.model.objects import Problem

ROOT_NAMESPACE = "istio-system"
MESH_NETWORKS_NAME = "meshnetworks"
# Keys of the ConfigMap that the mesh's configuration stands in, and the collection of each.
_MESH_KEYS = {"mesh": MESH_CONFIG, "meshNetworks": MESH_NETWORKS}
_MESH_NAMES = {MESH_CONFIG: MESH_CONFIG_NAME, MESH_NETWORKS: MESH_NETWORKS_NAME}


class NoObject(ValueError):
    """A document holds no object; `field` says where the fault is."""

    def __init__(self, code: str, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


@dataclass(slots=True)
class ResourceReader:
    """Collects objects from texts. `namespace` is that of objects that name none. Nothing raises.

    `root` and `mesh_config_map` say which ConfigMap holds the mesh's configuration.
    """

    namespace: str = DEFAULT_NAMESPACE
    root: str = ROOT_NAMESPACE
    mesh_config_map: str = MESH_CONFIG_NAME
    resources: list[Resource] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def read(self, file: str, content: str) -> None:
        """Every object of a text; `file` is the name to show."""
        for document in read_documents(content, columns=True):
            if isinstance(document, YamlError):
                sentence = f"this document is not YAML: {document.text}"
                self.problems.append(Problem("broken-yaml", "", sentence, file=file, line=document.line))
            else:
                self._document(file, document)

    def read_mesh(self, collection: str, file: str, content: str, line: int = 0) -> None:
        """The mesh configuration (MESH_CONFIG) or its networks (MESH_NETWORKS): one document without a kind.

        `line` is where the text stands, if it does not begin with its file.
        """
        for document in read_documents(content, columns=True):
            if isinstance(document, YamlDocument) and isinstance(document.value, dict):
                placed = YamlDocument(document.value, line) if line else document
                self.resources.append(mesh_resource(collection, placed, file))
                return
            sentence = "the mesh's configuration must be a mapping of fields"
            self.problems.append(Problem("mesh-unreadable", "", sentence, file=file, line=line or document.line))

    def finished(self) -> ResourceSet:
        return ResourceSet(self.resources, self.problems)

    def _document(self, file: str, document: YamlDocument) -> None:
        for prefix, value in _objects(document.value):
            try:
                found = resource_of(value, self.namespace, file, document, prefix)
            except NoObject as error:
                line = document.line_of(prefix + error.field)
                self.problems.append(Problem(error.code, error.field, str(error), file=file, line=line))
                continue
            self._keep(found)

    def add(self, value: Mapping[str, Any]) -> None:
        """An object as the API server has it."""
        try:
            self._keep(resource_of(dict(value)))
        except NoObject as error:
            self.problems.append(Problem(error.code, error.field, str(error)))

    def _keep(self, found: Resource) -> None:
        self.resources.append(found)
        if found.key == ResourceKey(CONFIG_MAPS, self.root, self.mesh_config_map):
            for collection, path, content in mesh_texts(found):
                self.read_mesh(collection, found.file, content, found.line_of(path))


def read_resources(texts: Iterable[tuple[str, str]], namespace: str = DEFAULT_NAMESPACE) -> ResourceSet:
    """The objects of (name of the file, its text)."""
    reader = ResourceReader(namespace)
    for file, content in texts:
        reader.read(file, content)
    return reader.finished()


def resource_of(
    value: Any, namespace: str = "", file: str = "", document: YamlDocument | None = None, prefix: str = ""
) -> Resource:
    """An object from plain data. Raises NoObject."""
    if not isinstance(value, dict):
        raise NoObject("no-object", "", f"a {type(value).__name__} stands where an object with kind must stand")
    kind, api_version, name = text(value, "kind"), text(value, "apiVersion"), text(value, "metadata", "name")
    if not kind:
        raise NoObject("no-kind", "kind", "the document has no kind; every object needs apiVersion and kind")
    if not api_version and kubernetes_kind("", kind) is not None:
        api_version = "v1"  # a kind of the core is known by its name
    if not api_version:
        raise NoObject("no-api-version", "apiVersion", f"{kind} has no apiVersion")
    if not name:
        raise NoObject("no-name", "metadata.name", f"{kind} has no metadata.name; give it one")
    group, _, version = api_version.rpartition("/")
    collection, namespaced = placement(group, kind)
    written = text(value, "metadata", "namespace")
    inside = "" if namespaced is False else written or (namespace if namespaced else "")
    key = ResourceKey(collection, inside, name)
    return Resource(key, kind, group, version, value, file, document or YamlDocument(None, 0), prefix)


def mesh_resource(collection: str, document: YamlDocument, file: str) -> Resource:
    kind = collection.rpartition("/")[2]
    key = ResourceKey(collection, ROOT_NAMESPACE, _MESH_NAMES[collection])
    return Resource(key, kind, "mesh.istio.io", "v1alpha1", document.value, file, document)


def mesh_texts(resource: Resource) -> Iterator[tuple[str, str, str]]:
    """The (collection, field, text) of each part of the mesh's configuration in a ConfigMap."""
    for name, collection in _MESH_KEYS.items():
        if content := text(resource.value, "data", name):
            yield collection, f"data.{name}", content


def _objects(value: Any) -> Iterator[tuple[str, Any]]:
    """(prefix of its path, value) of the object, or of the items of a list."""
    kind, items = text(value, "kind"), at(value, "items")
    if kind.endswith("List") and isinstance(items, list) and not mapping(value, "metadata").get("name"):
        for index, item in enumerate(items):
            yield f"items[{index}].", item
    else:
        yield "", value

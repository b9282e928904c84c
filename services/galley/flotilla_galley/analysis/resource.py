"""One object as analyzers see it: of any kind, with the line of every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from google.protobuf.message import Message

from flotilla_galley.analysis.fields import mapping, pairs
from flotilla_galley.analysis.kinds import MESH_COLLECTIONS, message_class
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_galley.validation.validate import decode

NO_PLACE = YamlDocument(None, 0)


@dataclass(frozen=True, order=True, slots=True)
class ResourceKey:
    """What names an object among all. `namespace` is empty for what has none."""

    collection: str
    namespace: str
    name: str


@dataclass(frozen=True, eq=False)
class Resource:
    """`value` is the whole object as it is written; of the mesh's own configuration it is the configuration.

    `file` is empty where the object comes from a cluster. `prefix` is the object's path in its document. `decoded` is the
    spec as a message where it is known already; `value` then may be without it.
    """

    key: ResourceKey
    kind: str
    group: str
    version: str
    value: Mapping[str, Any]
    file: str = ""
    document: YamlDocument = NO_PLACE
    prefix: str = ""
    decoded: Message | None = None

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def full_name(self) -> str:
        """`namespace/name`, or the name alone."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def origin(self) -> str:
        """The object for people: `VirtualService default/reviews`."""
        return f"{self.kind} {self.full_name}"

    @cached_property
    def labels(self) -> Mapping[str, str]:
        return pairs(self.value, "metadata", "labels")

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        return pairs(self.value, "metadata", "annotations")

    @property
    def written_spec(self) -> Mapping[str, Any]:
        return self.value if self.key.collection in MESH_COLLECTIONS else mapping(self.value, "spec")

    @cached_property
    def spec(self) -> Any:
        """The message of an Istio kind, without what does not fit it. Of other kinds it is `written_spec`."""
        if self.decoded is not None:
            return self.decoded
        found = message_class(self.key.collection)
        if found is None:
            return self.written_spec
        message = found()
        decode(message, self.written_spec)
        return message

    def line_of(self, field: str) -> int:
        """The line (1-based) of a field by its path in the object, or of the nearest one around it; 0: no file."""
        return self.document.line_of(self._path(field)) if self.file else 0

    def column_of(self, field: str) -> int:
        return self.document.column_of(self._path(field)) if self.file else 1

    def _path(self, field: str) -> str:
        return f"{self.prefix}{field}" if field else self.prefix.removesuffix(".")

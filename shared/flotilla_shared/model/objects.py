"""Configuration objects as they travel between the services."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from google.protobuf.message import Message

VERSION_LENGTH = 12
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """What names an object in the mesh. `namespace` is empty for cluster-scoped kinds."""

    collection: str
    namespace: str
    name: str

    @property
    def full_name(self) -> str:
        """`namespace/name`, or the name alone: the name in MCP's metadata."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @classmethod
    def parse(cls, collection: str, full_name: str) -> ObjectKey:
        """The key of an MCP name; the reverse of `full_name`."""
        namespace, _, name = full_name.rpartition("/")
        return cls(collection, namespace, name)

    def __str__(self) -> str:
        return f"{self.collection}/{self.full_name}"


@dataclass(frozen=True, slots=True, eq=False)
class ConfigObject:
    """One object at one version. `spec` is a message of the collection's kind and must not be changed.

    `version` is a hash of the content (`content_version`), so it survives restarts of whoever made it.
    `create_time_ns` is 0 where nothing is known. Equality is identity of key and version.
    """

    key: ObjectKey
    version: str
    spec: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    create_time_ns: int = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConfigObject):
            return NotImplemented
        return (self.key, self.version) == (other.key, other.version)

    def __hash__(self) -> int:
        return hash((self.key, self.version))


def content_version(
    key: ObjectKey, spec: Message, labels: Mapping[str, str], annotations: Mapping[str, str], create_time_ns: int = 0
) -> str:
    """Twelve hex digits that change when anything that a reader could see changes, and only then."""
    digest = hashlib.sha256()
    for part in (key.collection, key.full_name, str(create_time_ns)):
        digest.update(part.encode() + b"\0")
    for pairs in (labels, annotations):
        for name in sorted(pairs):
            digest.update(f"{name}={pairs[name]}\0".encode())
        digest.update(b"\1")
    digest.update(spec.SerializeToString(deterministic=True))
    return digest.hexdigest()[:VERSION_LENGTH]


@dataclass(frozen=True, slots=True)
class Delta:
    """A change of one collection. `full`: `upserts` is all of it and `removed` is empty.

    `version` names the state after the change; what it looks like is the source's own affair.
    """

    collection: str
    version: str
    upserts: tuple[ConfigObject, ...] = ()
    removed: tuple[ObjectKey, ...] = ()
    full: bool = True


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with an object or a file, for its author.

    `field` is the path in the object (`spec.http[0].route[1].weight`), `text` one sentence that says what is
    wrong and what would be right. `file` and `line` (1-based) are given where they are known.
    """

    code: str
    field: str
    text: str
    severity: Severity = "error"
    file: str = ""
    line: int = 0

    def as_dict(self) -> dict[str, str | int]:
        return {name: getattr(self, name) for name in ("code", "field", "text", "severity", "file", "line")}

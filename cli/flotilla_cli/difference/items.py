"""Objects as they are compared: what they mean, not how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict

from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.validation.validate import decode_object
from flotilla_shared.model.objects import ObjectKey

# The whole object once more, of the last `kubectl apply`: nobody's configuration.
KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Item:
    """`content` is metadata (labels and annotations) and spec as plain data; `place` says where it is held."""

    key: ObjectKey
    kind: str
    content: Mapping[str, Any]
    place: str = ""

    @property
    def name(self) -> str:
        """Kind, namespace and name."""
        return f"{self.kind} {'/'.join(part for part in (self.key.namespace, self.key.name) if part)}"


def item_of(source: SourceObject, place: str) -> Item | None:
    """Defaults and spellings do not count: `5.0s` is `5s`. None for one whose fields cannot be read."""
    decoded = decode_object(source).item
    if decoded is None:
        return None
    metadata: dict[str, Any] = {}
    if source.labels:
        metadata["labels"] = dict(source.labels)
    annotations = {name: text for name, text in source.annotations.items() if name != KUBECTL}
    if annotations:
        metadata["annotations"] = annotations
    content: dict[str, Any] = {"metadata": metadata} if metadata else {}
    return Item(source.key, source.kind.kind, content | {"spec": MessageToDict(decoded.spec)}, place)

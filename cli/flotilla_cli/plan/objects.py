"""The Istio objects of a configuration directory, read leniently: only for what `flotilla up` must know of
them.

Galley is the judge of configuration. A file that cannot be read here is left to it, and named when
something is missing because of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from flotilla_cli.errors import PlanError

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class ConfigDocument:
    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    file: Path


@dataclass
class ConfigDocuments:
    """All documents that could be read, and the files that could not."""

    documents: list[ConfigDocument] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    def of_kind(self, kind: str) -> Iterator[ConfigDocument]:
        return (document for document in self.documents if document.kind == kind)


def read_documents(directory: Path) -> ConfigDocuments:
    """Every YAML document below the directory; raises PlanError if there is no such directory."""
    if not directory.is_dir():
        raise PlanError(f"{directory} is no directory.", "The mesh's Istio objects are expected there, as YAML files.")
    result = ConfigDocuments()
    for file in sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES and path.is_file()):
        try:
            found = [document for document in _documents(file) if document is not None]
        except (OSError, yaml.YAMLError, UnicodeDecodeError):
            result.unreadable.append(file)
        else:
            result.documents += found
    return result


def _documents(file: Path) -> Iterator[ConfigDocument | None]:
    for content in yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader):
        yield _document(file, content)


def _document(file: Path, content: object) -> ConfigDocument | None:
    if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
        return None
    metadata, spec = content["metadata"], content.get("spec")
    return ConfigDocument(
        kind=str(content.get("kind", "")),
        namespace=str(metadata.get("namespace", "default")),
        name=str(metadata.get("name", "")),
        labels=_strings(metadata.get("labels")),
        spec=spec if isinstance(spec, dict) else {},
        file=file,
    )


def _strings(value: object) -> dict[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}

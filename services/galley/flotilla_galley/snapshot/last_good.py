"""last-good/: what was published, on disk, so that a restart over broken files loses nothing.

A collection is a file in MCP's own form, with where each object came from in a field that MCP does not have; a large one is
many such files, so that a change writes little. Every write is whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from flotilla_galley.snapshot.encoded import ResourceBytes, field_bytes, text_field
from flotilla_galley.snapshot.ledger import Entry, Ledger, State
from flotilla_galley.snapshot.snapshot import BY_NAME, CollectionSnapshot, Snapshot
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import Resources
from flotilla_shared.model.kinds import KINDS
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.streams.codec import UndecodableResource, from_response

SUFFIX = ".mcp"
ORIGINS = 15  # a field that Resources does not have: {name: [file, line]} as JSON
LARGE = 512
PARTS = 64

_log = get_logger(__name__)


class LastGood:
    """The folder. All methods block."""

    def __init__(self, folder: Path, resources: ResourceBytes | None = None) -> None:
        self._folder = folder
        self._resources = resources or ResourceBytes()
        self._written: dict[str, str] = {}
        self._parts: dict[str, list[set[ObjectKey]]] = {}

    def load(self) -> Ledger:
        """What was published before; empty at the first start. A file that cannot be read is left out, and said."""
        entries: dict[ObjectKey, Entry] = {}
        for kind in KINDS:
            for file in self._files(kind.collection):
                entries.update((entry.key, entry) for entry in _load(kind.collection, file))
        return Ledger(entries)

    def save(
        self, snapshot: Snapshot, entries: Mapping[ObjectKey, Entry], changed: Collection[ObjectKey] | None = None
    ) -> None:
        """Write what changed since the last save: at most `changed`, where that is known. Raises OSError; what was there
        before is then still there.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, collection in snapshot.collections.items():
            if self._written.get(name) != collection.version:
                before = self._written.pop(name, None)  # not there until all of it is written
                known = changed is not None and before is not None
                keys = [key for key in changed or () if key.collection == name] if known else None
                self._save(name, collection, entries, keys)
                self._written[name] = collection.version

    def _save(
        self,
        name: str,
        collection: CollectionSnapshot,
        entries: Mapping[ObjectKey, Entry],
        changed: Iterable[ObjectKey] | None,
    ) -> None:
        parts = self._parts.get(name)
        number = PARTS if len(collection.items) > LARGE else 1
        whole = changed is None or parts is None or len(parts) != number
        if whole:
            parts = self._parts[name] = [set() for _ in range(number)]
        assert parts is not None
        touched = set(range(number)) if whole else set()
        for key in collection.items if whole else changed or ():
            index = crc32(key.full_name.encode()) % number
            touched.add(index)
            (parts[index].add if key in collection.items else parts[index].discard)(key)
        for index in touched:
            self._write(self._file(name, index, number), collection, parts[index], entries)
        if whole:
            kept = {self._file(name, index, number) for index in range(number)}
            for file in set(self._files(name)) - kept:
                file.unlink(missing_ok=True)

    def _write(
        self, file: Path, collection: CollectionSnapshot, keys: set[ObjectKey], entries: Mapping[ObjectKey, Entry]
    ) -> None:
        if not keys:
            file.unlink(missing_ok=True)
            return
        ordered = sorted(keys, key=BY_NAME)
        origins = {key.full_name: (entries[key].file, entries[key].line) for key in ordered if key in entries}
        parts = [text_field(1, collection.version), text_field(2, ordered[0].collection)]
        parts += [field_bytes(3, self._resources.of(collection.items[key])) for key in ordered]
        parts.append(field_bytes(ORIGINS, orjson.dumps(origins)))
        _replace(file, b"".join(parts))

    def _files(self, collection: str) -> list[Path]:
        """The whole one before the parts: where both are there, the parts are newer."""
        base = collection.replace("/", "-")
        whole = self._folder / f"{base}{SUFFIX}"
        return [*([whole] if whole.exists() else []), *sorted(self._folder.glob(f"{base}.[0-9][0-9]{SUFFIX}"))]

    def _file(self, collection: str, part: int, number: int) -> Path:
        which = f".{part:02}" if number > 1 else ""
        return self._folder / f"{collection.replace('/', '-')}{which}{SUFFIX}"


def _load(collection: str, file: Path) -> Iterable[Entry]:
    try:
        response = Resources.FromString(file.read_bytes())
        delta = from_response(response)
        origins = _origins(response)
    except (OSError, DecodeError, UndecodableResource, ValueError, TypeError) as error:
        _log.warning("last good collection cannot be read", file=str(file), error=str(error))
        return
    if delta.collection == collection:
        for item in delta.upserts:
            place, line = origins.get(item.key.full_name, ("", 0))
            yield Entry(item.key, State.LAST_GOOD, str(place), int(line), item)


def _origins(response: Resources) -> dict[str, tuple[str, int]]:
    unknown: Any = UnknownFieldSet(response)
    found = [each.data for each in unknown if each.field_number == ORIGINS]
    return dict(orjson.loads(found[0])) if found else {}


def _replace(file: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash, sees the old content or the new."""
    fresh = file.with_name(f".{file.name}.new")
    try:
        with fresh.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)
    except OSError:
        fresh.unlink(missing_ok=True)  # half a file is room that a full disk needs
        raise

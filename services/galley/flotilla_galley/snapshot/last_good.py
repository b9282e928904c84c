"""last-good/: what was published, on disk, so that a restart over broken files loses nothing.

One file a collection, in MCP's own form, and where each object came from. Every write is whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson
from google.protobuf.message import DecodeError

from flotilla_galley.snapshot.ledger import Entry, Ledger, State
from flotilla_galley.snapshot.snapshot import Snapshot
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import Resources
from flotilla_shared.model.kinds import KINDS
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.streams.codec import UndecodableResource, from_response, to_response

ORIGINS = "origins.json"
SUFFIX = ".mcp"

_log = get_logger(__name__)


class LastGood:
    """The folder. All methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, str] = {}
        self._origins_due = False

    def load(self) -> Ledger:
        """What was published before; empty at the first start. A file that cannot be read is left out, and said."""
        origins = self._origins()
        entries: dict[ObjectKey, Entry] = {}
        for kind in KINDS:
            for item in self._collection(kind.collection):
                file, line = origins.get(str(item.key), ("", 0))
                entries[item.key] = Entry(item.key, State.LAST_GOOD, file, line, item)
        return Ledger(entries)

    def _origins(self) -> dict[str, tuple[str, int]]:
        try:
            content = orjson.loads((self._folder / ORIGINS).read_bytes())
            return {key: (str(file), int(line)) for key, (file, line) in content.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _log.warning("last good origins cannot be read", folder=str(self._folder), error=str(error))
            return {}

    def _collection(self, collection: str) -> Iterable[ConfigObject]:
        file = self._file(collection)
        try:
            delta = from_response(Resources.FromString(file.read_bytes()))
        except FileNotFoundError:
            return ()
        except (OSError, DecodeError, UndecodableResource) as error:
            _log.warning("last good collection cannot be read", file=str(file), error=str(error))
            return ()
        return delta.upserts if delta.collection == collection else ()

    def save(self, snapshot: Snapshot, entries: Mapping[ObjectKey, Entry]) -> None:
        """Write what changed since the last save. Raises OSError; what was there before is then still there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, collection in snapshot.collections.items():
            if self._written.get(name) == collection.version:
                continue
            file = self._file(name)
            if collection.items:
                delta = Delta(name, collection.version, tuple(collection.items.values()))
                _write(file, to_response(delta, "").SerializeToString(deterministic=True))
            else:
                file.unlink(missing_ok=True)
            self._written[name] = collection.version
            self._origins_due = True
        if self._origins_due:
            origins = {str(key): (entry.file, entry.line) for key, entry in entries.items() if entry.item is not None}
            _write(self._folder / ORIGINS, orjson.dumps(origins, option=orjson.OPT_SORT_KEYS))
            self._origins_due = False

    def _file(self, collection: str) -> Path:
        return self._folder / (collection.replace("/", "-") + SUFFIX)


def _write(file: Path, content: bytes) -> None:
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

"""The topics of the introspection port: status, problems, snapshot, objects."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.json_format import MessageToDict

from flotilla_galley.snapshot.ledger import Entry, Ledger
from flotilla_galley.snapshot.snapshot import Snapshot
from flotilla_galley.status.board import StatusBoard
from flotilla_shared.model.kinds import by_collection
from flotilla_shared.model.objects import ConfigObject

# Of one page: they are written out on the loop.
MOST_OBJECTS = 200


def status_view(
    ledgers: list[Ledger], snapshot: Snapshot | None, board: StatusBoard, query: Mapping[str, str]
) -> dict[str, object]:
    """Every object with its state, problems and reports. The query may hold collection, namespace and name."""
    entries = [entry for ledger in ledgers for entry in ledger.entries.values() if _wanted(entry, query)]
    return {
        "objects": [_object(entry, board) for entry in entries],
        "collections": snapshot.versions if snapshot is not None else {},
        "documents": [problem.as_dict() for ledger in ledgers for problem in ledger.problems],
        "reporters": board.reporters,
    }


def problems_view(ledgers: list[Ledger]) -> dict[str, object]:
    """Only what is wrong: of objects, and of files and documents that hold none."""
    return {
        "objects": [
            {"object": str(entry.key), "state": str(entry.state), **problem.as_dict()}
            for ledger in ledgers
            for entry in ledger.entries.values()
            for problem in entry.problems
        ],
        "documents": [problem.as_dict() for ledger in ledgers for problem in ledger.problems],
    }


def snapshot_view(snapshot: Snapshot | None) -> dict[str, object]:
    """Versions of what is distributed, by collection and object."""
    if snapshot is None:
        return {}
    return {
        name: {"version": each.version, "objects": {key.full_name: item.version for key, item in each.items.items()}}
        for name, each in snapshot.collections.items()
        if each.items
    }


def objects_view(snapshot: Snapshot | None, query: Mapping[str, str]) -> dict[str, object]:
    """The objects of a `collection` that are distributed, as people write them: at most `limit` of them, those behind the one
    whose full name is `after`. `next` is the `after` of the page behind, "" where there is none.
    """
    collection = snapshot.collections.get(query.get("collection", "")) if snapshot is not None else None
    items = sorted(collection.items.items(), key=lambda each: each[0].full_name) if collection is not None else []
    behind = [item for key, item in items if key.full_name > query.get("after", "")]
    page = behind[: _limit(query.get("limit", ""))]
    return {"objects": [_written(item) for item in page], "next": page[-1].key.full_name if page != behind else ""}


def _limit(text: str) -> int:
    return min(max(int(text), 1), MOST_OBJECTS) if text.isascii() and text.isdigit() and len(text) < 9 else MOST_OBJECTS


def _written(item: ConfigObject) -> dict[str, object]:
    kind = by_collection(item.key.collection)
    assert kind is not None
    metadata = {"name": item.key.name, "labels": dict(item.labels), "annotations": dict(item.annotations)}
    namespace = {"namespace": item.key.namespace} if item.key.namespace else {}
    names = {"apiVersion": kind.api_versions[0], "kind": kind.kind, "metadata": metadata | namespace}
    return names | {"spec": MessageToDict(item.spec)}


def _wanted(entry: Entry, query: Mapping[str, str]) -> bool:
    key = entry.key
    return all(
        query.get(field, "") in ("", value)
        for field, value in (("collection", key.collection), ("namespace", key.namespace), ("name", key.name))
    )


def _object(entry: Entry, board: StatusBoard) -> dict[str, object]:
    kind = by_collection(entry.key.collection)
    return {
        "collection": entry.key.collection,
        "kind": kind.kind if kind is not None else "",
        "namespace": entry.key.namespace,
        "name": entry.key.name,
        "version": entry.item.version if entry.item is not None else "",
        "file": entry.file,
        "line": entry.line,
        "state": str(entry.state),
        "problems": [problem.as_dict() for problem in entry.problems],
        "reports": board.of(entry.key),
    }

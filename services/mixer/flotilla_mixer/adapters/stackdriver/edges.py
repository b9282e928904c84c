"""Rows of `edge` to entries of a log: who calls whom, each edge once in half a minute (ADR 0159)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.adapters.stackdriver.entries import BILLION, EARLIEST, LATEST, Entry, InsertIds, Key, head_of
from flotilla_mixer.adapters.stackdriver.logging import MISFIT, EntryLink
from flotilla_mixer.adapters.stackdriver.messages import Logging
from flotilla_mixer.adapters.stackdriver.monitoring import CARDINALITY
from flotilla_mixer.adapters.stackdriver.place import Place
from flotilla_mixer.adapters.stackdriver.series import GLOBAL, LONGEST_LABEL, MESH_UID
from flotilla_mixer.adapters.stackdriver.wire import clean
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.merging import MergeSettings
from flotilla_mixer.kit.sending import RetrySettings
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.catalogue import EDGE
from flotilla_shared.model.expressions import Timestamp

LOG = "mesh-edges"
SECONDS = 30.0  # as 1.4 had it
MOST_EDGES = 10_000
FIELDS = tuple(EDGE.fields)
PROTOCOLS = ("http", "tcp")


@dataclass(slots=True)
class Edge:
    """One of a round. Times are nanoseconds."""

    calls: int
    first: int
    last: int


@dataclass(slots=True)
class EdgeEntry:
    """The entry of an edge, which stands for so many calls."""

    entry: Entry
    calls: int

    def encode(self, place: Place) -> bytes:
        return self.entry.encode(place)


class EdgeLog:
    """The log that edges go to: of the cluster, as far as it is known."""

    def __init__(self, mesh_uid: str, messages: Logging) -> None:
        self._mesh_uid = mesh_uid
        self._messages = messages

    def head(self, key: Key, place: Place) -> bytes:
        kind, labels = GLOBAL, {"project_id": place.project}
        if place.location and place.cluster:
            kind, labels = "k8s_cluster", labels | {"location": place.location, "cluster_name": place.cluster}
        mesh = self._mesh_uid or f"{place.project}/{place.location}/{place.cluster}"
        label = self._messages.entry(labels={MESH_UID: mesh})
        return head_of(self._messages, LOG, kind, labels, place) + bytes(label.SerializeToString())


class EdgeReporter:
    """Merges rows that speak of one edge."""

    def __init__(
        self,
        log: EdgeLog,
        link: EntryLink,
        messages: Logging,
        ids: InsertIds,
        environment: Environment,
        seconds: float = SECONDS,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._log = log
        self._messages = messages
        self._ids = ids
        self._environment = environment
        self._clock = clock
        self._edges: dict[Key, Edge] = {}
        settings = MergeSettings(seconds, retry=RetrySettings(send_seconds=15.0))
        self._merging = environment.merge(self._drain, link.send, _calls, settings)

    def report(self, batches: Sequence[ReportBatch], wrong: list[str]) -> None:
        rows = [row for batch in batches for row in batch.rows]
        if not self._merging.take(len(rows)):
            return
        misfits, refused, now = 0, 0, self._clock()
        for row in rows:
            if len(row) != len(FIELDS):
                misfits += 1
                wrong.append(f"{len(row)} fields do not fit the {len(FIELDS)} of an edge")
            else:
                refused += not self._merge(row, now)
        self._merging.give_up(MISFIT, misfits)
        if refused:
            self._merging.give_up(CARDINALITY, refused)
            text = "edges are dropped: there are too many in half a minute"
            self._environment.complain(CARDINALITY, text, most=MOST_EDGES, edges=refused)

    def _merge(self, row: Sequence[Any], now: int) -> bool:
        """False where there is no room."""
        key = tuple(each if isinstance(each, str) else text_of(each) for each in row[1:])
        given = row[0]
        moment = int(given) if isinstance(given, Timestamp) and EARLIEST <= given <= LATEST else now
        found = self._edges.get(key)
        if found is None:
            if len(self._edges) >= MOST_EDGES:
                return False
            found = self._edges[key] = Edge(0, moment, moment)
        found.calls += 1
        found.first, found.last = min(found.first, moment), max(found.last, moment)
        return True

    def _drain(self) -> list[EdgeEntry]:
        edges, self._edges = self._edges, {}
        return [EdgeEntry(Entry(self._log, (), "", self._body(key, edge)), edge.calls) for key, edge in edges.items()]

    def _body(self, key: Key, edge: Edge) -> bytes:
        found = self._messages.entry(insert_id=self._ids.new())
        found.timestamp.seconds, found.timestamp.nanos = divmod(edge.last, BILLION)
        first = Timestamp(edge.first)
        found.json_payload.update({**payload(key), "calls": edge.calls, "first": text_of(first)})
        return bytes(found.SerializeToString())


def payload(key: Key) -> dict[str, Any]:
    """What is told of an edge: both ends, and the protocol (the application's, but for plain HTTP and TCP)."""
    given: Mapping[str, str] = {name: clean(value, LONGEST_LABEL) for name, value in zip(FIELDS[1:], key, strict=True)}
    protocol = given["context_protocol"] if given["context_protocol"] in PROTOCOLS else given["api_protocol"]
    ends = {
        side: {
            name.removeprefix(f"{side}_"): value
            for name, value in given.items()
            if name.startswith(f"{side}_") and value
        }
        for side in ("source", "destination")
    }
    return {**ends, "protocol": protocol or given["context_protocol"]}


def _calls(batch: Sequence[EdgeEntry]) -> int:
    return sum(each.calls for each in batch)

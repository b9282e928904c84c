"""ServiceEntries that give one port of a host different protocols."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.known_hosts import EVERYWHERE, exported_to
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import full_names
from flotilla_shared.model.kinds import SERVICE_ENTRIES

# (namespace that sees it, or EVERYWHERE; host; port) -> (protocol, entry)
Definitions = dict[tuple[str, str, int], list[tuple[str, Resource]]]


def whole(view: View) -> Iterator[Message]:
    """Each entry is told once."""
    definitions = _definitions(view)
    told: set[Resource] = set()
    for (scope, host, port), own in sorted(definitions.items(), key=lambda each: each[0]):
        beside = definitions.get((EVERYWHERE, host, port), []) if scope != EVERYWHERE else []
        protocols = {protocol for protocol, _ in (*own, *beside)}
        entries = [entry for _, entry in (*own, *beside)]
        for entry in entries if len(protocols) > 1 else ():
            if entry not in told:
                told.add(entry)
                yield _conflict(entry, entries, host, port, protocols)


def _conflict(entry: Resource, entries: list[Resource], host: str, port: int, protocols: set[str]) -> Message:
    return tell(
        "ConflictingServiceEntryProtocol",
        entry,
        "spec.ports",
        objects=full_names(entries),
        host=host,
        port=port,
        protocols=", ".join(sorted(protocols)),
    )


def _definitions(view: View) -> Definitions:
    found: Definitions = defaultdict(list)
    for entry in view.all(SERVICE_ENTRIES):
        for scope in exported_to(entry.spec.export_to, entry.namespace):
            for host in entry.spec.hosts:
                for port in entry.spec.ports:
                    found[scope, host, port.number].append((port.protocol.upper(), entry))
    return dict(found)


ANALYZER = Analyzer(
    "serviceentry.ConflictingServiceEntryProtocolAnalyzer",
    "whether ServiceEntries agree on the protocol of a port",
    (SERVICE_ENTRIES,),
    whole=whole,
)

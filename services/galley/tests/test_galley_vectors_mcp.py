"""MCP against Istio 1.4: transcripts of its source, its deltas, its access lists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flotilla_galley.distribution.access import AccessList
from flotilla_galley.distribution.offers import make_delta
from flotilla_galley.snapshot.snapshot import CollectionSnapshot
from flotilla_galley.testing.mcp_transcripts import SourcePlay
from flotilla_shared.model.kinds import GATEWAYS
from flotilla_shared.model.objects import ConfigObject, ObjectKey

ONE_NAME = "an identity is the first URI of a certificate: those that Citadel signs have one"
NAMELESS = "a caller without an identity is nobody, also to a black list"


def lines(folder: Path, table: str) -> Iterator[dict[str, Any]]:
    return map(json.loads, (folder / "1.4" / "mcp" / f"{table}.jsonl").read_text().splitlines())


def tell(table: str, counts: Counter[str], different: Counter[str]) -> None:
    print(f"1.4/mcp/{table}: {counts['ran']} ran, 0 skipped, {sum(different.values())} differ")
    for reason, number in different.most_common():
        print(f"  {number} {reason}")


async def test_transcripts_of_the_source(vectors: Path) -> None:
    """Each is played twice: as it was recorded, and with requests that ask for what the recorded store decided by itself."""
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for case in lines(vectors, "source"):
        for as_decided in (False, True):
            play = SourcePlay(case, as_decided=as_decided)
            await play.play()
            counts["ran"] += 1
            assert not (as_decided and play.otherwise), case["id"]
            different.update(play.otherwise)
    tell("source", counts, different)
    assert counts["ran"] >= 14


def test_deltas(vectors: Path) -> None:
    """The same by names and versions, and between two published states."""
    counts: Counter[str] = Counter()
    for case in lines(vectors, "delta"):
        current = collection({each["name"]: each["version"] for each in case["current"] or []})
        acked = case["acked"] or {}
        for held in (acked, collection(acked)):
            delta = make_delta(GATEWAYS, current, held, full=False)
            added = [{"name": each.key.name, "version": each.version} for each in delta.upserts]
            assert added == (case["added"] or []), case["id"]
            assert [key.name for key in delta.removed] == sorted(case["removed"] or []), case["id"]
        counts["ran"] += 1
    tell("delta", counts, Counter())
    assert counts["ran"] >= 6


def collection(versions: dict[str, str]) -> CollectionSnapshot:
    keys = [ObjectKey(GATEWAYS, "", name) for name in sorted(versions)]
    return CollectionSnapshot("v", {key: ConfigObject(key, versions[key.name], None) for key in keys})


def test_access_lists(vectors: Path) -> None:
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    wrong = []
    for case in lines(vectors, "access"):
        counts["ran"] += 1
        identities = [] if case["connection"] == "not TLS" else case["peer_ids"] or []
        if access_of(case).knows(identities[0] if identities else "") == case["allowed"]:
            continue
        if len(identities) != 1:
            different[ONE_NAME if identities else NAMELESS] += 1
        else:
            wrong.append(case["id"])
    tell("access", counts, different)
    assert counts["ran"] >= 5
    assert wrong == []


def access_of(case: dict[str, Any]) -> AccessList:
    listed = set(case["list"] or []) - ({"foo"} if case["remove_foo_first"] else set())
    if case["mode"] == "allow listed":
        return AccessList({identity: frozenset({"*"}) for identity in listed})
    return AccessList(denied=frozenset(listed))

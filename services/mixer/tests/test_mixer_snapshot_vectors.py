"""What is live, and how much is complained of, after the changes that Istio 1.4 was given.

1.4 says of one fault up to three times that it is there: of the instance, of its action and of the whole rule. Here it
is said once, so what 1.4 says of consequences is not counted. The attributes are those that a case declares. Handlers
out of process have no connection in the cases; they are given one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct

from flotilla_mixer.configuration import vocabulary, written
from flotilla_mixer.configuration.build import COLLECTIONS, Configuration, build_configuration
from flotilla_mixer.configuration.names import full_name
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.templates.remote import RemoteTemplate
from flotilla_mixer.templates.template import Template, Variety
from flotilla_mixer.testing.meshes import read_object
from flotilla_shared.model.kinds import HANDLERS
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
TABLE = VECTORS / "mixer" / "config_snapshots.jsonl"
# The legacy kinds that only the original's tests have.
PREFIX = "istio/config/v1alpha2/legacy/"
LEGACY = {"adapter1": f"{PREFIX}adapter1s", "check": f"{PREFIX}checks"}
APA_OUTPUT = "template.attr"  # an output of a template of the fixtures, which 1.4 counts among the attributes
CONSEQUENCES = ("No valid instances found", "No valid actions found in rule")
OUT_OF_PROCESS = ("template", "adapter")
CONNECTION = {"address": "backend.default:9070"}
NOT_CALLABLE = "not-callable"  # the templates of the cases are without a service; that is a warning here
DIFFERENT = {
    "mixer/config_snapshots/3fb96dbcefa8": "a handler whose parameters do not fit is refused; 1.4 took the defaults",
}


class Adapter:
    """An adapter of the fixtures; nothing is asked of it."""

    folder = Path()

    def __init__(self, name: str, *templates: str) -> None:
        self.name = name
        self.templates = frozenset(templates)

    def defaults(self) -> Any:
        return Empty()

    def validate(self, *_: Any) -> list[Any]:
        return []


ADAPTERS: dict[str, Any] = {
    each.name: each
    for each in (Adapter("adapter1", "check", "report"), Adapter("adapter2", "check", "report", "quota", "apa"))
}


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in TABLE.read_text().splitlines()] if TABLE.exists() else []


def events(case: dict[str, Any]) -> list[dict[str, Any]]:
    """All changes in order; what is there at the start counts as written."""
    initial = [{**each, "type": "update"} for each in case["initial"]]
    return [*initial, *case["events1"], *case["events2"]]


def item_of(event: dict[str, Any]) -> ConfigObject | None:
    """The object as it travels; None for kinds of adapters that are not there."""
    kind, spec = event["kind"], event.get("spec") or {}
    if kind in LEGACY:
        key = ObjectKey(LEGACY[kind], event["namespace"], event["name"])
        return ConfigObject(key, "1", Struct())
    if kind not in ("attributemanifest", "handler", "instance", "rule", *OUT_OF_PROCESS):
        return None
    if kind == "handler" and "adapter" in spec:
        spec = {"connection": CONNECTION, **spec}
    meta = {"name": event["name"], "namespace": event["namespace"]}
    return read_object({"apiVersion": "config.istio.io/v1alpha2", "kind": kind, "metadata": meta, "spec": spec})


def live(changes: Iterable[dict[str, Any]]) -> Configuration:
    """What the changes leave."""
    left: dict[tuple[str, str, str], ConfigObject | None] = {}
    for each in changes:
        left[each["kind"], each["namespace"], each["name"]] = item_of(each) if each["type"] == "update" else None
    objects: dict[str, Any] = {name: {} for name in (*COLLECTIONS, *LEGACY.values())}
    for item in left.values():
        if item is not None:
            objects[item.key.collection][item.key] = item
    return build_configuration(objects, ADAPTERS, "cluster.local")


@pytest.mark.parametrize("case", [pytest.param(each, id=f"{each['id']}-{each['name']}") for each in rows()])
def test_snapshot(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("check", "report", "quota"):
        monkeypatch.setitem(TEMPLATES, name, Template(name, Variety[name.upper()]))
    for kind, collection in LEGACY.items():
        monkeypatch.setitem(written.LEGACY_COLLECTIONS, collection, kind)
    monkeypatch.setattr(written, "LEGACY_HANDLERS", (LEGACY["adapter1"],))
    monkeypatch.setattr(written, "LEGACY_INSTANCES", (LEGACY["check"],))
    monkeypatch.setattr(vocabulary, "VOCABULARY", {})
    found = live(events(case))
    if case["id"] in DIFFERENT:
        with pytest.raises(AssertionError):
            compare(found, case)
    else:
        compare(found, case)


def compare(found: Configuration, case: dict[str, Any]) -> None:
    expected = case["snapshot"]
    for how in ("static", "dynamic"):
        assert handlers(found, how == "dynamic") == expected[f"handlers_{how}"]
        specs = [each for each in found.instances if isinstance(each.template, RemoteTemplate) is (how == "dynamic")]
        assert [each.name for each in specs] == expected[f"instances_{how}"]
    assert sorted(map(full_name, found.remote.templates)) == expected["templates"]
    assert sorted(map(full_name, found.remote.adapters)) == expected["adapters"]
    assert actions(found) == sorted(
        (rule["name"], action["handler"], action["instances"])
        for rule in expected["rules"]
        for action in (*rule["actions_static"], *rule["actions_dynamic"])
    )
    added = {name: kind.value for name, kind in found.vocabulary.items()}
    assert added == {name: kind for name, kind in expected["attributes"].items() if name != APA_OUTPUT}
    assert len(complaints(found)) == case["error_count"] - consequences(case)


def handlers(found: Configuration, remote: bool) -> list[str]:
    """The handlers that are taken, whether a rule uses them or not: 1.4 records them all, and builds those of rules."""
    faulty = {key for key, said in found.problems.items() if any(each.severity == "error" for each in said)}
    written_ones = written.handlers({HANDLERS: {}, **by_collection(found)})
    return [
        full_name(key)
        for key, item in sorted(written_ones.items())
        if key not in faulty and bool(item.spec.adapter) is remote
    ]


def by_collection(found: Configuration) -> dict[str, dict[ObjectKey, ConfigObject]]:
    collections: dict[str, dict[ObjectKey, ConfigObject]] = {}
    for key, item in found.objects.items():
        collections.setdefault(key.collection, {})[key] = item
    return collections


def actions(found: Configuration) -> list[tuple[str, str, list[str]]]:
    return sorted(
        (full_name(each.rule), full_name(each.handler), [one.spec.name for one in each.instances])
        for each in found.actions
    )


def complaints(found: Configuration) -> list[Problem]:
    return [each for said in found.problems.values() for each in said if each.code != NOT_CALLABLE]


def consequences(case: dict[str, Any]) -> int:
    return sum((case["error"] or "").count(each) for each in CONSEQUENCES)


@pytest.mark.skipif(not TABLE.exists(), reason="the vectors are not here: set FLOTILLA_VECTORS to their folder")
def test_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    everything = rows()
    with capsys.disabled():
        print(f"\nconfig_snapshots: {len(everything)} ran, 0 skipped, {len(DIFFERENT)} differ")
        for name, why in DIFFERENT.items():
            print(f"  {name}: {why}")
    assert len(everything) >= 55
    assert set(DIFFERENT) <= {each["id"] for each in everything}

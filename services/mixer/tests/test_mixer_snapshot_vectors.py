"""What is live, and how much is complained of, after the changes that Istio 1.4 was given.

Legacy kinds are read as instances and handlers, and names are compared in the new form. Cases with templates or adapters
as objects are counted as skipped: adapters out of process are not offered yet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty

from flotilla_mixer.configuration.build import COLLECTIONS, Configuration, build_configuration
from flotilla_mixer.configuration.names import full_name
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.templates.template import Template, Variety
from flotilla_mixer.testing.meshes import read_object
from flotilla_shared.model.expressions import VOCABULARY

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
TABLE = VECTORS / "mixer" / "config_snapshots.jsonl"
LEGACY = {"adapter1": "handler", "check": "instance"}
APA_OUTPUT = "template.attr"  # an output of a template of the fixtures, which 1.4 counts among the attributes
DIFFERENT = {
    "mixer/config_snapshots/3fb96dbcefa8": "a handler that no rule uses is not made, so nothing of it is live",
}
OUT_OF_PROCESS = frozenset(("template", "adapter"))


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


def offered(case: dict[str, Any]) -> bool:
    return not OUT_OF_PROCESS & {each["kind"] for each in events(case)}


def document(event: dict[str, Any]) -> dict[str, Any] | None:
    """The object in today's form; None for kinds of adapters that are not there."""
    kind, spec = event["kind"], event.get("spec") or {}
    if kind not in (*LEGACY, "attributemanifest", "handler", "instance", "rule"):
        return None
    if kind in LEGACY:
        field = "compiledAdapter" if LEGACY[kind] == "handler" else "compiledTemplate"
        kind, spec = LEGACY[kind], {field: kind}
    if kind == "rule":
        actions = [
            {"handler": renamed(each["handler"]), "instances": [renamed(name) for name in each["instances"]]}
            for each in spec["actions"]
        ]
        spec = {**spec, "actions": actions}
    meta = {"name": event["name"], "namespace": event["namespace"]}
    return {"apiVersion": "config.istio.io/v1alpha2", "kind": kind, "metadata": meta, "spec": spec}


def renamed(name: str) -> str:
    return ".".join(LEGACY.get(part, part) for part in name.split("."))


def live(changes: Iterable[dict[str, Any]]) -> Configuration:
    """What the changes leave."""
    written: dict[tuple[str, str, str], dict[str, Any] | None] = {}
    for each in changes:
        written[each["kind"], each["namespace"], each["name"]] = document(each) if each["type"] == "update" else None
    objects: dict[str, Any] = {name: {} for name in COLLECTIONS}
    for found in written.values():
        if found is not None:
            item = read_object(found)
            objects[item.key.collection][item.key] = item
    return build_configuration(objects, ADAPTERS, "cluster.local")


@pytest.mark.parametrize(
    "case", [pytest.param(each, id=f"{each['id']}-{each['name']}") for each in rows() if offered(each)]
)
def test_snapshot(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("check", "report", "quota"):
        monkeypatch.setitem(TEMPLATES, name, Template(name, Variety[name.upper()]))
    found, expected = live(events(case)), case["snapshot"]
    handlers = [full_name(key) for key in found.handlers]
    wanted = [renamed(name) for name in expected["handlers_static"]]
    assert (handlers != wanted) is (case["id"] in DIFFERENT)
    assert [each.name for each in found.instances] == [renamed(name) for name in expected["instances_static"]]
    assert [
        (full_name(each.rule), full_name(each.handler), [one.spec.name for one in each.instances])
        for each in found.actions
    ] == [
        (rule["name"], renamed(action["handler"]), [renamed(name) for name in action["instances"]])
        for rule in expected["rules"]
        for action in rule["actions_static"]
    ]
    added = {name: kind.value for name, kind in found.vocabulary.items() if name not in VOCABULARY}
    assert added == {name: kind for name, kind in expected["attributes"].items() if name != APA_OUTPUT}
    assert sum(map(len, found.problems.values())) == case["error_count"]


@pytest.mark.skipif(not TABLE.exists(), reason="the vectors are not here: set FLOTILLA_VECTORS to their folder")
def test_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    everything = rows()
    ran = [each for each in everything if offered(each)]
    away = [each["id"] for each in everything if OUT_OF_PROCESS & {event["kind"] for event in events(each)}]
    with capsys.disabled():
        print(
            f"\nconfig_snapshots: {len(ran)} ran, {len(everything) - len(ran)} skipped, {len(DIFFERENT)} differ"
            f"\n  {len(away)} skipped: templates and adapters as objects are not offered"
        )
        for name, why in DIFFERENT.items():
            print(f"  {name}: {why}")
    assert len(ran) >= 8
    assert set(DIFFERENT) <= {each["id"] for each in ran}

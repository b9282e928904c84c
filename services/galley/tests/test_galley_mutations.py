"""Right objects with something changed: an answer, always the same, and every problem stands at a place that there is.

The objects are the example's and, where the vectors are there, Istio's own of every kind.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.descriptor import Descriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_galley.offline.judge import Finding, Judgement, judge
from flotilla_galley.validation.validate import RuleSet
from flotilla_shared.model.kinds import WRITTEN, kind_of
from flotilla_shared.testing.mutants import mutants
from flotilla_shared.testing.properties import examples

ROOT = Path(__file__).parents[3]
VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))


@cache
def objects() -> list[dict[str, Any]]:
    """All that is right by today's rules."""
    found = [*_of_the_example(), *_of_istio()]
    return [each for each in found if all(judged.valid for judged in judge("case", json.dumps(each)))]


def _of_the_example() -> Iterator[dict[str, Any]]:
    for file in sorted((ROOT / "examples" / "bookinfo" / "local").rglob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text()):
            if isinstance(each, dict) and kind_of(each.get("apiVersion", ""), each.get("kind", "")):
                yield each


def _of_istio() -> Iterator[dict[str, Any]]:
    file = VECTORS / "today" / "validation" / "kinds.jsonl"
    kinds = {kind.kind: kind.api_versions[0] for kind in WRITTEN if kind.era == "today"}
    for case in map(json.loads, file.read_text().splitlines() if file.is_file() else ()):
        if case["valid"] and isinstance(case["spec"], dict):
            head = {"apiVersion": kinds[case["kind"]], "kind": case["kind"], "metadata": {"name": "case"}}
            yield head | {"spec": case["spec"]}


def judged(written: dict[str, Any], ruleset: RuleSet | None) -> Judgement:
    (found,) = judge("case", json.dumps(written), ruleset)
    return found


def stands(value: Any, path: str, descriptor: Descriptor) -> bool:
    """Whether a path leads to what is written, or on from there to fields that there are."""
    if not path:
        return True
    if isinstance(value, list) and path.startswith("["):
        index, _, rest = path[1:].partition("]")
        return int(index) < len(value) and stands(value[int(index)], rest.removeprefix("."), descriptor)
    if isinstance(value, dict):
        # Keys may have dots of their own: the longest is meant.
        for key in sorted((key for key in value if _begins(path, key)), key=len, reverse=True):
            below = _below(descriptor, key)
            if stands(value[key], path[len(key) :].removeprefix("."), below or descriptor):
                return True
    return _is_field(descriptor, path)


def _begins(path: str, key: str) -> bool:
    return path == key or path.startswith((f"{key}.", f"{key}["))


def _below(descriptor: Descriptor, name: str) -> Descriptor | None:
    found = next((each for each in descriptor.fields if name in (each.json_name, each.name)), None)
    if found is None or found.message_type is None:
        return None
    if found.message_type.GetOptions().map_entry:
        return found.message_type.fields_by_name["value"].message_type or found.message_type
    return found.message_type


def _is_field(descriptor: Descriptor, path: str) -> bool:
    """What is missing: names of fields alone."""
    here: Descriptor | None = descriptor
    for name in path.split("."):
        if here is None or not any(each.json_name == name for each in here.fields):
            return False
        here = _below(here, name)
    return True


def astray(written: dict[str, Any], findings: tuple[Finding, ...]) -> list[Finding]:
    kind = kind_of(written["apiVersion"], written["kind"])
    assert kind is not None
    descriptor = kind.message_class().DESCRIPTOR
    inner = [each for each in findings if each.field.startswith("spec.")]
    return [each for each in inner if not stands(written["spec"], each.field.removeprefix("spec."), descriptor)]


@settings(max_examples=examples(150), deadline=None)
@given(mutants(objects), st.sampled_from((None, "today", "1.4")))
def test_a_changed_object_is_judged(written: dict[str, Any], ruleset: RuleSet | None) -> None:
    found = judged(written, ruleset)
    assert found == judged(copy.deepcopy(written), ruleset)
    for each in (*found.errors, *found.warnings):
        assert each.message, each
        assert each.code, each
        assert each.line == 1, each
    assert astray(written, (*found.errors, *found.warnings)) == []


@settings(max_examples=examples(40), deadline=None)
@given(mutants(objects))
def test_what_is_valid_is_valid_once_more(written: dict[str, Any]) -> None:
    """The order of fields says nothing."""
    found = judged(written, None)
    turned = {**written, "spec": _turned(written["spec"])}
    assert found.valid == judged(turned, None).valid


def _turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(each) for each in value] if isinstance(value, list) else value


def test_there_are_objects_to_change() -> None:
    assert len(objects()) >= (50 if VECTORS.is_dir() else 5)

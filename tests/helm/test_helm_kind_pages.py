"""The pages of kinds: every field has a meaning, every sentence of the rules is there, and in its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import flotilla_galley.validation as rules_room
from flotilla_galley.validation.of_1_4.rules import RULES_OF_1_4
from flotilla_galley.validation.validate import RULES
from flotilla_shared.model.kinds import WRITTEN, Kind, by_collection
from helm.generate.kinds.code import function_of
from helm.generate.kinds.fields import is_field, messages
from helm.generate.kinds.meanings import HERE, about, meanings
from helm.generate.kinds.pages import kind_pages
from helm.generate.kinds.told import OPEN, Told, told

ROOT = Path(__file__).parents[2]
JUDGED = [kind for kind in WRITTEN if kind.collection in RULES]
# Files that say things of an object before or beside the rules of its kind.
BESIDE = {"decode.py", "annotation_rules.py", "object_names.py"}


@cache
def of(collection: str) -> tuple[Told, ...]:
    """What both rule sets tell of a kind."""
    sets = [table[collection] for table in (RULES, RULES_OF_1_4) if collection in table]
    return tuple(each for rules in sets for each in told(function_of(rules)))


@cache
def described() -> dict[str, set[str]]:
    """Message -> its fields, of all kinds that are written."""
    found = {}
    for kind in WRITTEN:
        for name, descriptor in messages(kind.message_class().DESCRIPTOR).items():
            found[name.removeprefix("istio.")] = {field.json_name for field in descriptor.fields}
    return found


def test_every_field_has_a_meaning_and_no_other() -> None:
    assert {message: set(fields) for message, fields in meanings().items()} == described()
    assert all(isinstance(text, str) and text for fields in meanings().values() for text in fields.values())


def test_every_kind_has_a_sentence() -> None:
    assert set(about()) == {kind.kind for kind in WRITTEN if "/legacy/" not in kind.collection}


def test_a_message_stands_in_one_file() -> None:
    import yaml

    files = [file for file in HERE.glob("*.yaml") if file.name != "about.yaml"]
    names = [name for file in files for name in yaml.safe_load(file.read_text())]
    assert len(names) == len(set(names))


def test_pages_are_as_they_would_be_made() -> None:
    stale = [
        str(path)
        for path, text in kind_pages().items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != text
    ]
    assert stale == [], "run `make docs`"
    there = {path.relative_to(ROOT) for path in (ROOT / "docs/reference/kinds").iterdir()}
    assert there == set(kind_pages())


@pytest.mark.parametrize("kind", JUDGED, ids=lambda kind: kind.kind)
def test_what_is_told_stands_at_fields_that_there_are(kind: Kind) -> None:
    descriptor = kind.message_class().DESCRIPTOR
    lost = {each.field for each in of(kind.collection) if not is_field(descriptor, each.field)}
    # The rules of policies are shared with a kind that has no targetRef.
    assert all(field.startswith("spec.targetRef") for field in lost if kind.kind == "TrafficExtension")
    assert not lost or kind.kind == "TrafficExtension"


def literal_sentences() -> Iterator[tuple[str, str]]:
    """File, and each sentence that stands in a call of a report, without anything to be filled in."""
    for file in sorted(Path(str(rules_room.__file__)).parent.rglob("*.py")):
        if file.name in BESIDE:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("wrong", "warn") and node.args:
                said = node.args[0]
                if isinstance(said, ast.Constant) and isinstance(said.value, str) and " " in said.value:
                    yield file.name, said.value


def test_no_sentence_is_forgotten() -> None:
    there = {each.text for collection in (*RULES, *RULES_OF_1_4) for each in of(collection)}
    assert [each for each in literal_sentences() if each[1] not in there] == []


@pytest.mark.parametrize(
    ("collection", "wanted"),
    [
        (
            "istio/networking/v1alpha3/virtualservices",
            ("spec.http[].route[].weight", "error", "bad-weight", f"{OPEN} is below 0"),
        ),
        (
            "istio/networking/v1alpha3/destinationrules",
            ("spec.subsets[].trafficPolicy.portLevelSettings[].tls.privateKey", "error", "invalid"),
        ),
        ("istio/networking/v1alpha3/gateways", ("spec.servers[].tls.cipherSuites[]", "warning", "duplicate")),
        ("istio/security/v1beta1/authorizationpolicies", ("spec.rules[].when[].key", "error", "invalid")),
    ],
)
def test_rows(collection: str, wanted: tuple[Any, ...]) -> None:
    assert by_collection(collection) is not None
    assert wanted in {tuple(each)[: len(wanted)] for each in of(collection)}

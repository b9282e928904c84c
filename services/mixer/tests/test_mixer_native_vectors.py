"""The tables of attributes of the vectors: compressed messages to bags and back, and what a decision referenced."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.attributes.compressed import AttributesError, overlay, read_whole
from flotilla_mixer.attributes.dictionary import Dictionary, global_dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.referenced import referenced
from flotilla_mixer.attributes.request import ABSENT, RequestBag
from flotilla_mixer.offline.typed_values import typed, value_of
from flotilla_protos.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from flotilla_protos.istio.mixer.v1.mixer_pb2 import ReferencedAttributes

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"


def cases(table: str) -> list[Any]:
    file = VECTORS / "mixer" / f"{table}.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [pytest.param(case, id=f"{case['id']}-{case['name']}") for case in found]


def dictionary_of(given: Any) -> Dictionary:
    return global_dictionary() if given == "istio" else Dictionary(given or ())


def read(bag: RequestBag, names: list[str], keys: list[list[str]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a case reads of a bag, as the case writes it."""
    got: dict[str, Any] = {}
    for name in names:
        value = bag.get(name, ABSENT)
        got[name] = None if value is ABSENT else typed(dict(value) if hasattr(value, "items") else value)
    found = []
    for name, key in keys:
        entries: Any = bag.get(name, ABSENT)
        if entries is ABSENT:
            found.append({"map": name, "key": key, "found": False})
        elif hasattr(entries, "get"):
            value = entries.get(key, ABSENT)
            there = value is not ABSENT
            found.append({"map": name, "key": key, "found": there, "value": value if there else ""})
    return got, found


def matches(bag: RequestBag, known: Dictionary, count: int) -> tuple[set[tuple[str, str, str]], set[str]]:
    """What was referenced as a client reads it, and the words that travelled for it."""
    message = ReferencedAttributes()
    referenced(bag.asked.items(), known, count, message)

    def word(number: int) -> str:
        return known.words[number] if number >= 0 else message.words[-number - 1]

    found = {
        (
            word(each.name),
            word(each.map_key) if each.map_key else "",
            ReferencedAttributes.Condition.Name(each.condition),
        )
        for each in message.attribute_matches
    }
    return found, set(message.words)


@pytest.mark.parametrize("case", cases("attributes_decode"))
def test_messages_become_bags(case: Any) -> None:
    known, bag = dictionary_of(case["global_words"]), {}
    for data, step in zip(case["messages_base64"], case["steps"], strict=True):
        message = CompressedAttributes.FromString(base64.b64decode(data))
        try:
            overlay(bag, message, known)
            error = None
        except AttributesError as raised:
            error = str(raised)
        assert error == step.get("error")
        assert {name: typed(value) for name, value in bag.items()} == step["bag_after"]
        lazy = RequestBag(message, known)
        assert sorted(lazy) == sorted(step["lazy_names"])
        for name, expected in step["lazy_get"].items():
            value: Any = RequestBag(message, known).get(name, ABSENT)
            shown = None if value is ABSENT else typed(dict(value) if hasattr(value, "items") else value)
            assert shown == expected, name
        whole = {name: typed(value) for name, value in read_whole(message, known).items()}
        assert whole == {name: value for name, value in step["lazy_get"].items() if value is not None}
        got, found = read(lazy, case["get"], case["map_get"])
        assert {name: step["lazy_get"][name] for name in got} == got
        if "map_get" in step:
            assert found == step["map_get"]
        if "referenced" in step:
            expected_matches = {
                (each["name"], each.get("map_key", ""), each["condition"]) for each in step["referenced"]
            }
            assert matches(lazy, known, len(known)) == (expected_matches, set(step["referenced_words"]))
        if "referenced_words_with_global_count_0" in step:
            assert matches(lazy, known, 0)[1] == set(step["referenced_words_with_global_count_0"])


@pytest.mark.parametrize("case", cases("attributes_encode"))
def test_bags_become_messages(case: Any) -> None:
    known, expected = dictionary_of(case["global_words"]), case["expected"]
    bag = {name: value_of(value) for name, value in case["attributes"].items()}
    message = encode(bag, known, case["global_word_count"])
    assert sorted(message.words) == expected["message_words_sorted"]
    back: dict[str, object] = {}
    overlay(back, CompressedAttributes.FromString(message.SerializeToString()), known)
    assert {name: typed(value) for name, value in back.items()} == expected["decoded"]
    reference = CompressedAttributes.FromString(base64.b64decode(expected["one_encoding_base64"]))
    again: dict[str, object] = {}
    overlay(again, reference, known)
    assert again == back

    def shown(number: int) -> int | str:
        return number if number >= 0 else "message word"

    numbers = {}
    for field, entries in message.ListFields():
        if field.name != "words":
            numbers.update(dict.fromkeys(entries))
    words = {known.words[number] if number >= 0 else message.words[-number - 1]: number for number in numbers}
    assert {name: shown(number) for name, number in words.items()} == expected["name_index"]
    texts = {name: shown(message.strings[number]) for name, number in words.items() if number in message.strings}
    assert texts == expected["string_value_index"]


@pytest.mark.parametrize(("table", "least"), [("attributes_decode", 50), ("attributes_encode", 9)])
def test_every_table_is_there(table: str, least: int) -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    found = cases(table)
    print(f"{table}: {len(found)} ran, 0 skipped, 0 differ")
    assert len(found) >= least


def test_the_global_words_are_those_of_the_peers() -> None:
    file = VECTORS / "fixtures" / "global_dictionary.json"
    if not file.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    content = json.loads(file.read_text())
    assert list(global_dictionary().words) == (content["words"] if isinstance(content, dict) else content)
    assert len(global_dictionary()) == 222
    assert [global_dictionary().words[number] for number in (94, 111, 112, 218)] == ["'200'", "'0'", "'1'", '"-"']

"""docs/reference/networking-features.md says of every field of the networking kinds what is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flotilla_shared.model import kinds

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "reference" / "networking-features.md"
TESTS = ROOT / "services" / "pilot" / "tests"
COMPILER = ROOT / "services" / "pilot" / "flotilla_pilot"
KINDS = (
    kinds.VIRTUAL_SERVICES,
    kinds.DESTINATION_RULES,
    kinds.GATEWAYS,
    kinds.SERVICE_ENTRIES,
    kinds.SIDECARS,
    kinds.WORKLOAD_ENTRIES,
    kinds.ENVOY_FILTERS,
    kinds.PEER_AUTHENTICATIONS,
    kinds.POLICIES,
)
FULL, PART, NOT = "yes", "partly", "no"
Field = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    message: str
    field: str
    supported: str
    tested_by: tuple[str, ...]
    difference: str


def fields() -> list[Field]:
    """Every field of every message that the kinds are made of, as (message, JSON name), each message once."""
    found: dict[str, list[str]] = {}
    for collection in KINDS:
        kind = kinds.by_collection(collection)
        assert kind is not None
        collect(kind.message_class().DESCRIPTOR, found)
    return [(message, name) for message, names in found.items() for name in names]


def collect(descriptor: Any, found: dict[str, list[str]]) -> None:
    if descriptor.full_name in found or descriptor.full_name.startswith("google."):
        return
    found[descriptor.full_name] = [field.json_name for field in descriptor.fields]
    for field in descriptor.fields:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            inner = inner.fields_by_name["value"].message_type
        if inner is not None:
            collect(inner, found)


def rows() -> Iterator[Row]:
    message = ""
    for line in TABLE.read_text().splitlines():
        if line.startswith("### "):
            message = line.removeprefix("### ").strip("`")
        elif line.startswith("| ") and not line.startswith("| field |"):
            field, supported, tested_by, difference = (each.strip() for each in line.strip("|").split("|"))
            tests = tuple(each.strip("`") for each in tested_by.split(", ") if each)
            yield Row(message, field, supported, tests, difference)


ROWS = list(rows())


def snake(name: str) -> str:
    return re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name)


def test_every_field_has_its_row_and_every_row_its_field() -> None:
    told = [(each.message, each.field) for each in ROWS]
    assert [each for each in fields() if each not in told] == [], "write their rows into networking-features.md"
    assert [each for each in told if each not in fields()] == []
    assert len(told) == len(set(told))


def test_what_is_not_whole_says_why() -> None:
    assert [each for each in ROWS if each.supported not in (FULL, PART, NOT)] == []
    assert [each for each in ROWS if each.supported != FULL and not each.difference] == []
    assert [each for each in ROWS if each.supported != NOT and not each.tested_by] == []


@cache
def words(name: str) -> str:
    """The text of a test, which is named from the tests of Pilot or from the root."""
    return next((file.read_text() for file in (TESTS / name, ROOT / name) if file.is_file()), "")


@pytest.mark.parametrize("message", sorted({each.message for each in ROWS}))
def test_the_tests_are_there_and_name_the_field(message: str) -> None:
    for row in ROWS:
        for test in row.tested_by if row.message == message else ():
            text = words(test)
            assert text, f"{row.field}: there is no test {test}"
            assert re.search(rf"\b({row.field}|{snake(row.field)})\b", text), f"{row.field}: {test} does not name it"


def test_what_is_said_not_to_be_read_is_not() -> None:
    """Of names that no field has that is read, and that say enough to be told from others."""
    read = {each.field for each in ROWS if each.supported != NOT}
    unread = {each.field for each in ROWS if each.supported == NOT and snake(each.field) != each.field} - read
    files = [file for part in ("model", "scope", "compile") for file in (COMPILER / part).rglob("*.py")]
    lines = (line for file in files for line in file.read_text().splitlines())
    source = "\n".join(line for line in lines if not line.startswith(("from ", "import ")))
    found = [name for name in sorted(unread) if re.search(rf"\.{snake(name)}\b(?!\")", source)]
    assert found == [], "they are read now: say so in networking-features.md, and which test holds them"

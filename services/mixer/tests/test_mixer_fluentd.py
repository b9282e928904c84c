"""The fluentd adapter: rows to entries, entries to messages, byte for byte; and what a strict reader makes of them."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.fluentd.entries import EntryWriter, entry_size
from flotilla_mixer.adapters.fluentd.messages import messages_of, new_chunk
from flotilla_mixer.adapters.fluentd.settings import Server, server_of
from flotilla_mixer.templates.catalogue import LOG_ENTRY
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.fluentd_entries import FluentdEntry, read_entry
from flotilla_mixer.testing.fluentd_messages import Received, read_message
from flotilla_mixer.testing.golden import hold_to
from flotilla_shared.model.expressions import Duration, Timestamp

GOLDEN = Path(__file__).parent / "golden" / "fluentd.jsonl"
MOMENT = 1_767_225_600_123_456_789
CHUNK = "p8n9gmxTQVC8/nh2wlKKeQ=="
PLAIN, TAGGED = "access.instance.ns", "tagged.instance.ns"
IPV4, IPV6 = bytes([10, 0, 0, 1]), bytes(15) + b"\x01"


def row(*values: object, moment: object = Timestamp(MOMENT), severity: object = "info") -> tuple[Any, ...]:
    return (moment, severity, None, values, ())


def writer(*names: str, name: str = PLAIN, integer: bool = False, most: int = 1_000_000) -> EntryWriter:
    return EntryWriter(sample_spec(LOG_ENTRY, names, name=name), integer_duration=integer, most_bytes=most)


def read(entry: tuple[bytes, bytes]) -> FluentdEntry:
    tag, content = entry
    return read_entry(msgpack.unpackb(tag), msgpack.unpackb(content, strict_map_key=True))


# variables, values, whether durations are numbers, and what the record has of them
VALUES: list[tuple[Sequence[str], Sequence[object], bool, dict[str, object]]] = [
    (("a",), ("text é\n",), False, {"a": "text é\n"}),
    (("a",), (7,), False, {"a": 7}),
    (("a",), (-(2**63),), False, {"a": -(2**63)}),
    (("a",), (1.5,), False, {"a": 1.5}),
    (("a",), (True,), False, {"a": True}),
    (("a",), (Duration(12_500_000),), False, {"a": "12.5ms"}),
    (("a",), (Duration(90_000_000_000),), False, {"a": "1m30s"}),
    (("a",), (Duration(12_999_999),), True, {"a": 12}),
    (("a",), (Duration(-12_999_999),), True, {"a": -12}),
    (("a",), (IPV4,), False, {"a": "10.0.0.1"}),
    (("a",), (IPV6,), False, {"a": "::1"}),
    (("a",), (Timestamp(MOMENT),), False, {"a": "2026-01-01T00:00:00.123456Z"}),
    (("a",), ({"app": "ratings"},), False, {"a": {"app": "ratings"}}),
    (("a", "b"), (None, 1), False, {"b": 1}),
    (("a",), ("",), False, {"a": ""}),
    ((), (), False, {}),
]


@pytest.mark.parametrize(("names", "values", "integer", "record"), VALUES)
def test_values(names: Sequence[str], values: Sequence[object], integer: bool, record: dict[str, object]) -> None:
    found = read(writer(*names, integer=integer).entry(row(*values)))
    assert found == FluentdEntry(PLAIN, MOMENT, {**record, "severity": "info"})
    assert [type(found.record[name]) for name in record] == [type(value) for value in record.values()]


# the tag that a variable gives, the tag that is taken, and the record without severity
TAGS = [
    ("checkout", "checkout", {"a": 1, "name": TAGGED}),
    ("", TAGGED, {"a": 1, "tag": ""}),
    (None, TAGGED, {"a": 1}),
    (7, TAGGED, {"a": 1, "tag": 7}),
    ("mit Ä und \n", "mit Ä und \n", {"a": 1, "name": TAGGED}),
]


@pytest.mark.parametrize(("tag", "taken", "record"), TAGS)
def test_a_variable_may_be_the_tag(tag: object, taken: str, record: dict[str, object]) -> None:
    found = read(writer("a", "tag", name=TAGGED).entry(row(1, tag)))
    assert (found.tag, found.record) == (taken, {**record, "severity": "info"})


def test_names_of_the_adapter_win_as_in_1_4() -> None:
    """The severity always, and the name where a variable is the tag."""
    found = read(writer("name", "severity", "tag", name=TAGGED).entry(row("mine", "mine", "t", severity="error")))
    assert found.record == {"name": TAGGED, "severity": "error"}
    found = read(writer("name").entry(row("mine")))
    assert found.record == {"name": "mine", "severity": "info"}


MOMENTS = [
    (0, True),
    (MOMENT, True),
    (2**32 * 10**9 - 1, True),
    (2**32 * 10**9 + 5, False),
    (-1, False),
]


@pytest.mark.parametrize(("moment", "precise"), MOMENTS)
def test_moments(moment: int, precise: bool) -> None:
    found = read(writer().entry(row(moment=Timestamp(moment))))
    assert found.precise is precise
    assert found.moment == (moment if precise else moment // 10**9 * 10**9)


def test_without_a_time_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: MOMENT)
    assert read(writer().entry(row(moment=None))).moment == MOMENT


def test_without_a_severity_it_is_empty() -> None:
    assert read(writer().entry(row(severity=None))).record == {"severity": ""}


REFUSED = [
    (row(2**64), "integer|ints|range"),
    (row("\ud800"), "surrogates"),
    (row(object()), "object in a row"),
    (row(), "zip"),
    (row(1, 2), "zip"),
    (row("x" * 2000), "maxBatchSizeBytes allows 1000"),
    (row(1, moment="now"), "is no time"),
    (row(1, moment=7), "is no time"),
    (row(1, severity=3), "is no severity"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_rows_that_have_no_entry(given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        writer("a", most=1000).entry(given)


ANY = st.one_of(
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.binary(min_size=4, max_size=4),
    st.integers(-(2**62), 2**62).map(Duration),
    st.integers(0, 2**62).map(Timestamp),
    st.dictionaries(st.text(), st.text(), max_size=3),
)


@given(st.dictionaries(st.text(max_size=9), ANY, max_size=8), st.integers(0, 2**32 * 10**9 - 1), st.booleans())
def test_whatever_a_row_holds_fluentd_can_read_it(values: dict[str, Any], moment: int, integer: bool) -> None:
    values.pop("tag", None)
    names = sorted(values)
    found = read(writer(*names, integer=integer).entry(row(*map(values.get, names), moment=Timestamp(moment))))
    assert (found.tag, found.moment) == (PLAIN, moment)
    assert found.record.keys() == {name for name in names if values[name] is not None} | {"severity"}
    for name, value in values.items():
        if name != "severity" and type(value) in (str, int, float, bool):
            assert found.record[name] == value


# messages


def packed(*entries: tuple[str, int], **changes: Any) -> list[bytes]:
    made = [writer("n", "tag", name=TAGGED).entry(row(number, tag)) for tag, number in entries]
    options: dict[str, Any] = {"acknowledged": True, "compressed": False, "chunk": lambda: CHUNK, **changes}
    return [message.content for message in messages_of(made, **options)]


def of(content: bytes) -> Received:
    return read_message(msgpack.unpackb(content, strict_map_key=True))


PAYLOADS = {
    "one entry": packed(("t", 1)),
    "two of one tag": packed(("t", 1), ("t", 2)),
    "two tags": packed(("t", 1), ("u", 2), ("t", 3)),
    "without acknowledgements": packed(("t", 1), acknowledged=False),
    "compressed": packed(("t", 1), ("t", 2), compressed=True),
    "compressed, without acknowledgements": packed(("t", 1), acknowledged=False, compressed=True),
}


def test_payloads_are_those_of_the_golden_file() -> None:
    """Compressed ones but for what a build of zlib may do otherwise: they are read, below."""
    found = {name: [each.hex() for each in payload] for name, payload in PAYLOADS.items() if "compr" not in name}
    text = "".join(json.dumps({"name": name, "messages": payload}) + "\n" for name, payload in found.items())
    hold_to(GOLDEN, text)


MODES = {"compressed": "CompressedPackedForward", "compressed, without acknowledgements": "CompressedPackedForward"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_payloads_are_what_the_protocol_allows(name: str) -> None:
    for content in PAYLOADS[name]:
        found = of(content)
        assert found.mode == MODES.get(name, "PackedForward")
        assert found.option["size"] == len(found.entries)
        assert found.chunk == ("" if "without" in name else CHUNK)


@given(st.lists(st.tuples(st.sampled_from("abcdé"), st.integers(0, 99)), max_size=60), st.booleans(), st.booleans())
def test_messages_hold_all_entries_by_tag_in_order(
    entries: list[tuple[str, int]], acknowledged: bool, compressed: bool
) -> None:
    made = [writer("n", "tag", name=TAGGED).entry(row(number, tag)) for tag, number in entries]
    messages = messages_of(made, acknowledged=acknowledged, compressed=compressed)
    found = {each.tag: [entry.record["n"] for entry in each.entries] for each in (of(m.content) for m in messages)}
    assert found == {tag: [n for each, n in entries if each == tag] for tag, _ in entries}
    assert sorted(entry for message in messages for entry in message.entries) == sorted(made)
    assert len({message.chunk for message in messages}) == (len(messages) if acknowledged else bool(messages))


def test_a_chunk_is_128_bits_that_nobody_had_before() -> None:
    found = {new_chunk() for _ in range(1000)}
    assert len(found) == 1000
    assert {len(base64.b64decode(chunk, validate=True)) for chunk in found} == {16}


def test_the_size_of_an_entry_is_that_of_its_parts() -> None:
    entry = writer("a").entry(row("x" * 100))
    (message,) = messages_of([entry], acknowledged=True, compressed=False)
    assert 100 < entry_size(entry) < len(message.content) < entry_size(entry) + 60


def test_numbers_that_are_none_pass() -> None:
    found = read(writer("a", "b").entry(row(math.inf, math.nan)))
    assert found.record["a"] == math.inf
    assert math.isnan(found.record["b"])


# addresses

ADDRESSES = [
    ("localhost:24224", Server("localhost", 24224), "localhost:24224"),
    (":24224", Server("localhost", 24224), "localhost:24224"),
    ("[::1]:9", Server("::1", 9), "[::1]:9"),
    ("fluentd-es.logging:24224", Server("fluentd-es.logging", 24224), "fluentd-es.logging:24224"),
]


@pytest.mark.parametrize(("text", "server", "shown"), ADDRESSES)
def test_addresses(text: str, server: Server, shown: str) -> None:
    assert (server_of(text), str(server_of(text))) == (server, shown)


@pytest.mark.parametrize("text", ["", ":", "dummy", "a:b", "http://a:1", "a/b:1", "a@b:1", "a:70000", "x" * 400])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        server_of(text)

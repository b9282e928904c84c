"""An object of any kind by a fuzzer's choices: shaped like its message, and wrong here and there."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from flotilla_shared.model.kinds import KINDS, MESH_CONFIG, Kind
from tests.fuzz.choices import Choices

READ = [kind for kind in KINDS if kind.collection != MESH_CONFIG]
DEEPEST = 6
# What fields of all kinds take, values at the edges of that, and what people write by mistake.
TEXTS = [
    *[
        r"a",
        r"*",
        r"*.a.com",
        r"a.com",
        r"mesh",
        r".",
        r"~",
        r"./*",
        r"*/*",
        r"ns/a",
        r"~/*",
        r"a/b/c",
        r"/",
        r"/a?b#c",
        r"://",
        r"ä",
        r"²",
        r"1s",
        r"1ms",
        r"-1s",
        r"0s",
        r"1h1h",
        r"1.2.3.4",
        r"1.2.3.4/24",
        r"1.2.3.4/99",
        r"::1",
        r"::/0",
        r"[::1]:80",
        r"127.0.0.1:80",
        r"127.0.0.1:²",
        r"unix:///a",
        r"unix://@a",
        r"HTTP",
        r"HTTPS",
        r"TLS",
        r"TCP",
        r"region/zone/*",
        r"*/a",
        r"r/*",
        r"outbound_.80_._.a.com",
        r"outbound_.x_._.",
        r"(",
        r"(?i)a",
        r"a{1001}",
        r"[[:foo:]]",
        r"5xx,503",
        r"request.headers[x]",
        r"source.ip",
        r"@request.auth.claims.a",
        r"http://a",
        r"https://a:443/x",
        r"oci://a",
        r"{a}",
        r"/{*}/{**}",
        r"%REQ(x)%",
        r"%",
        r'source.labels["a"]=="b"',
        r"a.b.c",
        r"x.instance",
        r"AAAA",
        r"YQ==",
        r"spiffe://a/b",
        r"kubernetes://a",
        r"builtin://",
        r"type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
    ],
    *("", "\x00", "\ud800", "9" * 70 + "s", "127.0.0.1:" + "9" * 5000, "sha256:" + "a" * 64),
]
NUMBERS: list[float] = [
    *(0, 1, -1, 80, 99, 100, 101, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**63, -(2**63), 2**64 - 1, 9**99),
    *(0.5, 1e300, float("inf"), float("nan")),
]
ODD: list[Any] = [None, True, False, {}, [], [None], {"": None}, {"a": {"a": []}}]


def any_object(choices: Choices) -> tuple[Kind, dict[str, Any]]:
    """A kind, and an object of it as it is written."""
    kind = choices.one(READ)
    metadata: dict[str, Any] = {"name": choices.one(["a", "", "a.b", choices.text()]), "namespace": "x"}
    if choices.below(4) == 1:
        metadata[choices.one(["labels", "annotations"])] = {choices.text(): _scalar(choices, None)}
    written = {"apiVersion": choices.one(kind.api_versions), "kind": kind.kind, "metadata": metadata}
    return kind, written | {"spec": message(choices, kind.message_class().DESCRIPTOR)}


def message(choices: Choices, descriptor: Descriptor, depth: int = DEEPEST) -> Any:
    """Plain data of some fields of a message, of at most six messages one inside another."""
    if depth == 0 or choices.below(24) == 1:
        return choices.one(ODD)
    if descriptor.full_name.startswith("google.protobuf."):
        return _scalar(choices, None)
    return {
        field.json_name: _field(choices, field, depth)
        for field in (choices.one(descriptor.fields) for _ in range(choices.below(5)) if descriptor.fields)
    }


def _field(choices: Choices, field: FieldDescriptor, depth: int) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        value = kind.fields_by_name["value"]
        return {choices.one(TEXTS): _one(choices, value, depth) for _ in range(choices.below(3))}
    if field.is_repeated:
        return [_one(choices, field, depth) for _ in range(choices.below(4))]
    return _one(choices, field, depth)


def _one(choices: Choices, field: FieldDescriptor, depth: int) -> Any:
    if field.message_type is not None:
        return message(choices, field.message_type, depth - 1)
    return _scalar(choices, field)


def _scalar(choices: Choices, field: FieldDescriptor | None) -> Any:
    """Mostly of the field's own type."""
    if choices.below(24) == 1:
        return choices.one(ODD)
    if field is not None and field.enum_type is not None:
        return choices.one([value.name for value in field.enum_type.values])
    if field is not None and field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return choices.below(2) == 1
    if field is not None and field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        return choices.one(NUMBERS)
    return choices.one(TEXTS) if choices.below(4) else choices.text()

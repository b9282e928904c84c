"""Envoy's own limits on fields, asked of a message before it is sent.

Envoy validates every message by rules that its API definitions carry (lengths, ranges, patterns, required
fields) and refuses a whole resource for one field. The same rules are in the descriptors of the installed
messages, so what one object asks for can be left out before it harms another.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from validate import validate_pb2  # type: ignore[import-untyped]

from flotilla_pilot.compile.field_rules import Check, check_of, duration_fault

Fault = tuple[str, str]
"""A field's path in the message, and what it would have to be."""

_Checker = Callable[[Any], Iterator[Fault]]


def fault(message: Message) -> Fault | None:
    """The first rule that `message`, or anything in it, breaks; None if Envoy's rules are kept."""
    return next(_faults(message), None)


def _faults(message: Any) -> Iterator[Fault]:
    if isinstance(message, any_pb2.Any):
        yield from _packed_faults(message)
        return
    if isinstance(message, Duration):
        text = duration_fault(message)
        if text:
            yield "seconds", text
        return
    for check in _checkers(message.DESCRIPTOR):
        yield from check(message)
    for field, value in message.ListFields():
        for suffix, part in _parts(field, value):
            for path, text in _faults(part):
                yield f"{field.name}{suffix}.{path}", text


def _packed_faults(packed: any_pb2.Any) -> Iterator[Fault]:
    """Faults of a message of a known type; of others nothing is known."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.type_url.rpartition("/")[2])
    except KeyError:
        return
    try:
        yield from _faults(message_factory.GetMessageClass(descriptor).FromString(packed.value))
    except DecodeError:
        yield "value", "must be of its type"


def _parts(field: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """The messages in a field that is set, each with its index or key."""
    if field.message_type is None or field.message_type.full_name == "google.protobuf.Struct":
        return
    if field.message_type.GetOptions().map_entry:
        if field.message_type.fields_by_name["value"].message_type is not None:
            yield from ((f"[{key}]", value[key]) for key in sorted(value))
    elif field.is_repeated:
        yield from ((f"[{index}]", each) for index, each in enumerate(value))
    else:
        yield "", value


@cache
def _checkers(descriptor: Any) -> tuple[_Checker, ...]:
    """The checks of one type's own fields: made once, most fields have none."""
    found: list[_Checker] = []
    for field in descriptor.fields:
        rules = field.GetOptions().Extensions[validate_pb2.rules]
        if rules.ByteSize():
            found.append(_field_checker(field, rules))
    required = (each for each in descriptor.oneofs if each.GetOptions().Extensions[validate_pb2.required])
    return (*found, *(_oneof_checker(each.name) for each in required))


def _oneof_checker(name: str) -> _Checker:
    def check(message: Any) -> Iterator[Fault]:
        if message.WhichOneof(name) is None:
            yield name, "must be stated"

    return check


def _field_checker(field: Any, rules: Any) -> _Checker:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_checker(field, rules.map)
    if field.is_repeated:
        return _repeated_checker(field, rules.repeated)
    return _single_checker(field, rules)


def _single_checker(field: Any, rules: Any) -> _Checker:
    name, check = field.name, check_of(rules)
    presence = field.has_presence
    stated = rules.message.required or rules.duration.required or rules.any.required
    required = stated and field.containing_oneof is None
    wrapped = field.message_type is not None and field.message_type.full_name.endswith("Value")

    def single(message: Any) -> Iterator[Fault]:
        if presence and not message.HasField(name):
            if required:
                yield name, "must be stated"
            return
        value = getattr(message, name)
        text = check(value.value if wrapped else value)
        if text:
            yield name, text

    return single


def _repeated_checker(field: Any, rules: Any) -> _Checker:
    name, least, most = field.name, rules.min_items, rules.max_items
    check: Check | None = check_of(rules.items) if rules.HasField("items") else None

    def repeated(message: Any) -> Iterator[Fault]:
        values = getattr(message, name)
        if len(values) < least and not (rules.ignore_empty and not values):
            yield name, f"must have at least {least}"
        if most and len(values) > most:
            yield name, f"must have at most {most}"
        for index, value in enumerate(values if check else ()):
            text = check(value) if check else ""
            if text:
                yield f"{name}[{index}]", text

    return repeated


def _map_checker(field: Any, rules: Any) -> _Checker:
    name = field.name
    check_key = check_of(rules.keys)
    check_value = check_of(rules.values)
    plain = field.message_type.fields_by_name["value"].message_type is None

    def mapping(message: Any) -> Iterator[Fault]:
        values = getattr(message, name)
        if len(values) < rules.min_pairs:
            yield name, f"must have at least {rules.min_pairs}"
        for key in sorted(values):
            text = check_key(key) or (check_value(values[key]) if plain else "")
            if text:
                yield f"{name}[{key}]", text

    return mapping

"""Envoy's own limits on fields, asked of a message before it is sent.

Envoy validates every message by rules that its API definitions carry (lengths, ranges, patterns, required
fields) and refuses a whole resource for one field. The same rules are in the descriptors of the installed
messages, so what one object asks for can be left out before it harms another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from validate import validate_pb2  # type: ignore[import-untyped]

from flotilla_pilot.compile.field_rules import Check, check_of, duration_fault

Fault = tuple[str, str]
"""A field's path in the message, and what it would have to be."""

_Checker = Callable[[Any], Fault | None]

_ANY, _DURATION = any_pb2.Any.DESCRIPTOR.full_name, Duration.DESCRIPTOR.full_name
_REMEMBERED = 4096
"""Packed messages of which the outcome is remembered: most of them are in every route or cluster."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be checked of one type: its own fields, and by number the fields in whose messages more is checked."""

    checks: tuple[_Checker, ...]
    inner: dict[int, _Checker]


def fault(message: Message) -> Fault | None:
    """The first rule that `message`, or anything in it, breaks; None if Envoy's rules are kept."""
    return _fault(message)


def _fault(message: Any) -> Fault | None:
    plan = _plan(message.DESCRIPTOR)
    for check in plan.checks:
        found = check(message)
        if found is not None:
            return found
    if plan.inner:
        for field, value in message.ListFields():
            look = plan.inner.get(field.number)
            found = look(value) if look is not None else None
            if found is not None:
                return f"{field.name}{found[0]}", found[1]
    return None


@cache
def _plan(descriptor: Any) -> _Plan:
    """Made once a type: most fields have no rule, and most messages none at all."""
    if descriptor.full_name == _ANY:
        return _Plan((lambda message: _packed_fault(message.type_url, message.value),), {})
    if descriptor.full_name == _DURATION:
        return _Plan((_broken_duration,), {})
    inner = {field.number: look for field in descriptor.fields if (look := _look_inside(field)) is not None}
    return _Plan(_checkers(descriptor), inner)


def _broken_duration(message: Duration) -> Fault | None:
    text = duration_fault(message)
    return ("seconds", text) if text else None


@lru_cache(_REMEMBERED)
def _packed_fault(type_url: str, value: bytes) -> Fault | None:
    """The fault of a message of a known type; of others nothing is known."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
    except KeyError:
        return None
    try:
        return _fault(message_factory.GetMessageClass(descriptor).FromString(value))
    except DecodeError:
        return "value", "must be of its type"


def _look_inside(field: Any) -> _Checker | None:
    """The check of a field's messages, each path with its index or key; None where there is nothing to check."""
    if field.message_type is None:
        return None
    if field.message_type.GetOptions().map_entry:
        kind = field.message_type.fields_by_name["value"].message_type
        return _look_at_map if kind is not None and _has_rules(kind) else None
    if not _has_rules(field.message_type):
        return None
    return _look_at_all if field.is_repeated else _look_at_one


def _look_at_one(message: Any) -> Fault | None:
    found = _fault(message)
    return (f".{found[0]}", found[1]) if found is not None else None


def _look_at_all(messages: Any) -> Fault | None:
    for index, message in enumerate(messages):
        found = _fault(message)
        if found is not None:
            return f"[{index}].{found[0]}", found[1]
    return None


def _look_at_map(messages: Any) -> Fault | None:
    for key in sorted(messages):
        found = _fault(messages[key])
        if found is not None:
            return f"[{key}].{found[0]}", found[1]
    return None


@cache
def _has_rules(descriptor: Any) -> bool:
    """Whether anything in a message of this type may be checked: types that it leads to are looked at too."""
    seen, waiting = {descriptor.full_name}, [descriptor]
    while waiting:
        each = waiting.pop()
        if each.full_name in (_ANY, _DURATION) or _checkers(each):
            return True
        for field in each.fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)
    return False


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
    return lambda message: (name, "must be stated") if message.WhichOneof(name) is None else None


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

    def single(message: Any) -> Fault | None:
        if presence and not message.HasField(name):
            return (name, "must be stated") if required else None
        value = getattr(message, name)
        text = check(value.value if wrapped else value)
        return (name, text) if text else None

    return single


def _repeated_checker(field: Any, rules: Any) -> _Checker:
    name, least, most = field.name, rules.min_items, rules.max_items
    check: Check | None = check_of(rules.items) if rules.HasField("items") else None

    def repeated(message: Any) -> Fault | None:
        values = getattr(message, name)
        if len(values) < least and not (rules.ignore_empty and not values):
            return name, f"must have at least {least}"
        if most and len(values) > most:
            return name, f"must have at most {most}"
        for index, value in enumerate(values if check else ()):
            text = check(value) if check else ""
            if text:
                return f"{name}[{index}]", text
        return None

    return repeated


def _map_checker(field: Any, rules: Any) -> _Checker:
    name, least = field.name, rules.min_pairs
    check_key = check_of(rules.keys)
    check_value = check_of(rules.values)
    plain = field.message_type.fields_by_name["value"].message_type is None

    def mapping(message: Any) -> Fault | None:
        values = getattr(message, name)
        if len(values) < least:
            return name, f"must have at least {least}"
        for key in sorted(values):
            text = check_key(key) or (check_value(values[key]) if plain else "")
            if text:
                return f"{name}[{key}]", text
        return None

    return mapping

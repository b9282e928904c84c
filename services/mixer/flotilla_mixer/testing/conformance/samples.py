"""Instances and rows of any template, for tests that need some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flotilla_mixer.templates.template import InstanceSpec, Template
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

VALUES: dict[ValueType, Any] = {
    ValueType.STRING: "text",
    ValueType.INT64: 7,
    ValueType.DOUBLE: 1.5,
    ValueType.BOOL: True,
    ValueType.TIMESTAMP: Timestamp(1_767_225_600_123_456_789),
    ValueType.DURATION: Duration(2_500_000),
    ValueType.IP_ADDRESS: bytes([10, 0, 0, 1]),
    ValueType.STRING_MAP: {"app": "ratings"},
}


def sample_spec(
    template: Template, names: Sequence[str] = ("code", "who"), value: ValueType = ValueType.INT64, name: str = ""
) -> InstanceSpec:
    """An instance with all fields (those of any type have `value`'s) and these names, all texts, in each map."""
    types = {field: kind or value for field, kind in template.fields.items()}
    inner = {each: tuple(sorted(names)) for each in template.maps}
    texts = {each: dict.fromkeys(found, ValueType.STRING) for each, found in inner.items()}
    return InstanceSpec(name or f"{template.name}.instance.test", template, types, inner, texts)


def sample_row(spec: InstanceSpec) -> tuple[Any, ...]:
    """A row that fits."""
    fields = tuple(VALUES[spec.types[name]] if name in spec.types else None for name in spec.template.fields)
    maps = (spec.names.get(name, ()) for name in spec.template.maps)
    return (*fields, *(tuple(f"{name} of it" for name in names) for names in maps))

"""What a template is, and what an instance of it looks like to a handler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flotilla_shared.model.expressions import ValueType


class Variety(StrEnum):
    CHECK = "check"
    REPORT = "report"
    QUOTA = "quota"
    ATTRIBUTE_GENERATOR = "attribute generator"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A shape. `fields` are expressions of one type (None: of any), `maps` hold expressions of any type by name.

    A row of an instance is a tuple: one value for each field, in order, then one tuple for each map, whose names
    are in the instance's `names`. A name with a dot is a field of a part (`subject.user`). A template of attributes
    has `outputs`: what its adapters give.
    """

    name: str
    variety: Variety
    fields: Mapping[str, ValueType | None] = field(default_factory=dict)
    maps: tuple[str, ...] = ()
    outputs: Mapping[str, ValueType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class InstanceSpec:
    """A configured instance, as handlers know it.

    `name` is fully qualified (`requestcount.instance.istio-system`). `types` are the types of the fields that
    were given; `names` the sorted names of each map, `map_types` their types.
    """

    name: str
    template: Template
    types: Mapping[str, ValueType] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    map_types: Mapping[str, Mapping[str, ValueType]] = field(default_factory=dict)

"""The resource that entries belong to: fixed attributes, and those that an instance's rows give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flotilla_mixer.adapters.otlp.attributes import encoded_resource
from flotilla_mixer.kit.text import text_of

TYPE_NAME = "monitored_resource.type"
MOST_REMEMBERED = 1_000
NOT_GIVEN = ("", "UNSPECIFIED", "global")  # types that 1.4's samples have and that say nothing


class ResourceWriter:
    """Resources of one instance: what its monitored_resource_dimensions give comes over what is fixed."""

    def __init__(self, fixed: Mapping[str, str], names: Sequence[str]) -> None:
        self._fixed = dict(fixed)
        self._names = names
        self._alone = encoded_resource(self._fixed)
        self._known: dict[tuple[object, ...], bytes] = {}

    def write(self, kind: object, values: Sequence[object]) -> bytes:
        """Raises ValueError for another number of values than names."""
        if not values and not kind and not self._names:
            return self._alone
        key = (kind, *map(type, values), *values)
        try:
            found = self._known.get(key)
        except TypeError:  # a map among them
            return self._made(kind, values)
        if found is None:
            found = self._made(kind, values)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = found
        return found

    def _made(self, kind: object, values: Sequence[object]) -> bytes:
        if len(values) != len(self._names):
            raise ValueError(f"{len(values)} values do not fit the {len(self._names)} dimensions of the resource")
        text = text_of(kind)
        typed = {} if text in NOT_GIVEN else {TYPE_NAME: text}
        return encoded_resource({**self._fixed, **typed, **dict(zip(self._names, values, strict=True))})

"""What handlers gave beside their answers to one Check, for the header operations of its rules (mixer.md 7.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from flotilla_mixer.configuration.operations import ActionOutput
from flotilla_shared.model.objects import ObjectKey

Outputs = dict[tuple[ObjectKey, str], Mapping[str, object]]
"""By handler and instance; who answered first stays."""


class BagWithOutputs(Mapping[str, object]):
    """A bag, and outputs under the names of a rule's actions; an output hides an attribute of its name."""

    __slots__ = ("_bag", "_found")

    def __init__(self, bag: Mapping[str, object], wanted: Iterable[ActionOutput], outputs: Outputs) -> None:
        self._bag = bag
        self._found: dict[str, object] = {}
        for each in wanted:
            for name, value in outputs.get((each.handler, each.instance), {}).items():
                self._found.setdefault(f"{each.prefix}{name}", value)

    def __getitem__(self, name: str) -> object:
        return self._found[name] if name in self._found else self._bag[name]

    def get(self, name: str, otherwise: object = None) -> object:
        return self._found[name] if name in self._found else self._bag.get(name, otherwise)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._bag, **self._found})

    def __len__(self) -> int:
        return len({**self._bag, **self._found})

"""What differs between the resources that a case expects and those that were made."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import Any, NamedTuple

from flotilla_pilot.testing.normal_form import NormalForm, Patterns, every_leaf

Resources = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By short type and name, as proto3 JSON."""


class Difference(NamedTuple):
    """One leaf that one side alone has: `-` the expected one, `+` what was made. `path` is that of its fields."""

    sign: str
    path: str
    resource: str
    place: str
    value: str

    @property
    def what(self) -> str:
        return f"{self.sign} {self.path}"


@dataclass(frozen=True, slots=True)
class Compared:
    """One case: how many leaves its answer has, how many of them were compared, and what differs."""

    leaves: int
    compared: int
    differences: tuple[Difference, ...]


class Comparison:
    """Compares cases by one normal form."""

    def __init__(self, dropped: Iterable[str]) -> None:
        self._form = NormalForm(dropped)
        self._dropped = Patterns(each for each in dropped if "=" not in each)

    def compare(self, expected: Resources, made: Resources, *, all_needed: bool) -> Compared:
        """Only the types that are expected count. Not `all_needed`: clusters that nothing leads to may be missing."""
        leaves = compared = 0
        differences: list[Difference] = []
        for kind, wanted in expected.items():
            found = made[kind]
            for name in sorted({*wanted, *found}):
                given = list(every_leaf(kind, wanted[name])) if name in wanted else []
                leaves += len(given)
                if name not in found and kind in ("clusters", "endpoints") and not all_needed:
                    continue
                compared += sum(not self._is_dropped(path) for _, path in given)
                differences += self.of(kind, name, wanted.get(name), found.get(name))
        return Compared(leaves, compared, tuple(differences))

    def of(
        self, kind: str, name: str, wanted: Mapping[str, Any] | None, found: Mapping[str, Any] | None
    ) -> Iterator[Difference]:
        """What differs in one resource; of one that only one side has, that alone."""
        if wanted is None or found is None:
            yield Difference("+" if wanted is None else "-", kind, name, "", "")
            return
        left, right = self._form.leaves(kind, wanted), self._form.leaves(kind, found)
        for sign, rest in (("-", left - right), ("+", right - left)):
            yield from (Difference(sign, path, name, place, value) for path, place, value in sorted(rest))

    def comparable(self, expected: Resources, made: Resources) -> list[tuple[str, str, tuple[str | int, ...]]]:
        """Kind, resource and place in the JSON of every expected leaf that is compared."""
        return [
            (kind, name, where)
            for kind, wanted in expected.items()
            for name in sorted(wanted)
            if name in made[kind]
            for where, path in every_leaf(kind, wanted[name])
            if not self._is_dropped(path)
        ]

    def _is_dropped(self, path: str) -> bool:
        """Whether the path, or one that it is below, is left out."""
        parts = path.split(".")
        return any(".".join(parts[:end]) in self._dropped for end in range(1, len(parts) + 1))


class Known:
    """Differences that are told with their reason: what they are (`- path`, `+ path`), and the cases that have them."""

    def __init__(self, reason: str, differ: Iterable[str], cases: Iterable[str] = ("*",)) -> None:
        self.reason = reason
        self._what, self._cases = tuple(differ), tuple(cases)
        self._differ = Patterns(self._what)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each case with each difference, as they are written."""
        yield from product(self._cases, self._what)

    def covers(self, case: str, difference: Difference) -> bool:
        return difference.what in self._differ and any(fnmatchcase(case, each) for each in self._cases)


def unexplained(case: str, found: Iterable[Difference], known: Sequence[Known], used: Counter[str]) -> list[Difference]:
    """The differences that nothing known covers. `used` counts, by reason, those that something does."""
    left = []
    for difference in found:
        reason = next((each.reason for each in known if each.covers(case, difference)), None)
        if reason is None:
            left.append(difference)
        else:
            used[reason] += 1
    return left

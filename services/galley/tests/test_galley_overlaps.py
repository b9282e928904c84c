"""Overlapping names are found as comparing each with each finds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from flotilla_galley.validation.overlaps import overlapping_hosts, overlapping_localities
from flotilla_shared.model.hosts import covers

HOSTS = st.lists(st.from_regex(r"(\*\.?)?[aB](\.[aB]){0,2}|\*|", fullmatch=True), max_size=6)
LOCALITIES = st.lists(st.from_regex(r"[ab](/[ab]){0,2}|([ab]/){0,2}\*", fullmatch=True), max_size=5)


def pairs(names: Sequence[str], overlap: Callable[[str, str], bool]) -> dict[int, int]:
    """Each with each: what is asked for, by its square."""
    found = {}
    for index, name in enumerate(names):
        earlier = [other for other in range(index) if overlap(names[other], name)]
        if earlier:
            found[index] = earlier[0]
    return found


def cover_one_another(one: str, other: str) -> bool:
    return covers(one, other) or covers(other, one)


def hold_one_another(one: str, other: str) -> bool:
    parts = zip(one.split("/"), other.split("/"), strict=False)
    return all("*" in (left, right) or left == right for left, right in parts)


@given(HOSTS)
@example(["a", "*", "*"])
@example(["*.a", "a.a", "A.a"])
def test_hosts(names: list[str]) -> None:
    found = overlapping_hosts(names)
    assert list(found) == list(pairs(names, cover_one_another))
    assert all(other < index and cover_one_another(names[other], names[index]) for index, other in found.items())


@given(LOCALITIES)
@example(["a/*", "a"])
@example(["a/b", "b", "*"])
def test_localities(names: list[str]) -> None:
    assert overlapping_localities(names) == next(iter(pairs(names, hold_one_another).items()), None)


def test_very_many() -> None:
    hosts = [f"*.h{number}.example.com" for number in range(50_000)] + ["a.h7.example.com"]
    assert overlapping_hosts(hosts) == {50_000: 7}
    localities = [f"r/z{number}/*" for number in range(50_000)] + ["r/z7"]
    assert overlapping_localities(localities) == (50_000, 7)

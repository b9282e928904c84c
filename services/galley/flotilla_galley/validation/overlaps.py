"""Names of which one holds another, found in time by their number and not by its square: anybody may write a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from flotilla_shared.model.hosts import is_wildcard


class HostIndex:
    """Hosts by name. Case does not count."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._first: dict[str, int] = {}
        for index, host in enumerate(hosts):
            self._first.setdefault(host.lower(), index)
        self._patterns = {name[1:]: index for name, index in self._first.items() if is_wildcard(name)}
        self._lengths = sorted({len(suffix) for suffix in self._patterns})

    def covering(self, host: str) -> Iterator[int]:
        """The first places of the hosts that are this one or cover it."""
        name = host.lower()
        if name in self._first:
            yield self._first[name]
        rest = name[1:] if is_wildcard(name) else name
        for length in self._lengths:
            if length <= len(rest) and (found := self._patterns.get(rest[len(rest) - length :])) is not None:
                yield found


def overlapping_hosts(hosts: Sequence[str]) -> Mapping[int, int]:
    """The place of each host that names, covers or is covered by an earlier one, in order, with the place of one of those."""
    known = HostIndex(hosts)
    found: dict[int, int] = {}
    for index, host in enumerate(hosts):
        for other in known.covering(host):
            if other != index:
                earlier, later = sorted((index, other))
                found[later] = min(earlier, found.get(later, earlier))
    return dict(sorted(found.items()))


def overlapping_localities(names: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first locality that holds or is held by an earlier one, and of that one; later first.

    A star must be the last part: it takes what is below, as a name without it does.
    """
    held: dict[tuple[str, ...], int] = {}
    whole: dict[tuple[str, ...], int] = {}
    for index, name in enumerate(names):
        parts = tuple(part for part in name.split("/") if part != "*")
        above = [parts[:length] for length in range(len(parts) + 1)]
        earlier = [whole[each] for each in above if each in whole]
        if earlier or parts in held:
            return index, min(earlier, default=held.get(parts, index))
        whole[parts] = index
        for each in above:
            held.setdefault(each, index)
    return None

"""Rules as values, and as the text that iptables-restore takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

V4, V6 = 4, 6
PREROUTING, OUTPUT = "PREROUTING", "OUTPUT"
BUILT_IN = (PREROUTING, OUTPUT)
OWN_PREFIX = "ISTIO_"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `position` 0 appends; another one inserts there, and what stood there follows."""

    table: str
    chain: str
    match: tuple[str, ...]
    position: int = 0

    @property
    def own_chain(self) -> bool:
        return self.chain not in BUILT_IN

    def line(self) -> str:
        where = f"-I {self.chain} {self.position}" if self.position else f"-A {self.chain}"
        return f"{where} {self.matching}"

    @property
    def matching(self) -> str:
        return " ".join(self.match)


@dataclass
class Ruleset:
    """Rules of one family in the order in which they were added."""

    version: int
    rules: list[Rule] = field(default_factory=list)

    def append(self, table: str, chain: str, match: str) -> None:
        self.rules.append(Rule(table, chain, tuple(match.split())))

    def insert(self, table: str, chain: str, position: int, match: str) -> None:
        self.rules.append(Rule(table, chain, tuple(match.split()), position))

    def tables(self) -> dict[str, list[Rule]]:
        """By table, in the order of their names."""
        return {table: [each for each in self.rules if each.table == table] for table in self._names()}

    def _names(self) -> list[str]:
        return sorted({each.table for each in self.rules})


def own_chains(rules: Iterable[Rule]) -> list[str]:
    """The chains of ours that rules stand in, each once, in order."""
    return list(dict.fromkeys(each.chain for each in rules if each.own_chain))


def restore_text(ruleset: Ruleset, stale: Sequence[Rule] = ()) -> str:
    """For `iptables-restore --noflush`: one transaction a table. `stale` are rules of built-in chains to take out.

    A chain of ours that is already there is emptied first, so that the text yields the same whatever was there.
    """
    lines: list[str] = []
    for table, rules in ruleset.tables().items():
        lines.append(f"*{table}")
        lines += [f":{chain} - [0:0]" for chain in own_chains(rules)]
        lines += [f"-D {each.chain} {each.matching}" for each in stale if each.table == table]
        lines += [each.line() for each in rules]
        lines.append("COMMIT")
    return "\n".join([*lines, ""])

"""Counts how a table of cases compares with what is judged here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open() as opened:
        yield from (json.loads(line) for line in opened)


class Table:
    """`different` says of ids why they are judged otherwise here."""

    def __init__(self, name: str, different: Mapping[str, str]) -> None:
        self.name = name
        self.different = different
        self.ran = 0
        self.skipped: Counter[str] = Counter()
        self.explained: list[str] = []
        self.unexplained: list[tuple[str, object, object, str]] = []

    def skip(self, reason: str) -> None:
        self.skipped[reason] += 1

    def compare(self, case: str, wanted: object, got: object, about: str = "") -> None:
        """One case ran; `about` is shown where it differs without a reason."""
        self.ran += 1
        if wanted == got:
            return
        if case in self.different:
            self.explained.append(f"{case}: {self.different[case]}")
        else:
            self.unexplained.append((case, wanted, got, about))

    @property
    def share(self) -> float:
        """Of the cases that ran, those that agree."""
        return 1 - (len(self.explained) + len(self.unexplained)) / max(self.ran, 1)

    def tell(self) -> None:
        differ = len(self.explained) + len(self.unexplained)
        print(f"{self.name}: {self.ran} ran, {sum(self.skipped.values())} skipped, {differ} differ")
        for reason, number in self.skipped.items():
            print(f"  {number} skipped: {reason}")
        for line in self.explained:
            print(f"  {line}")
        for unexplained in self.unexplained:
            print(f"  NOT EXPLAINED {unexplained}")

"""Plays rows of language-neutral tables, and tells of each table what ran, was skipped and differs."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Check = Callable[[Any], tuple[Any, Any]]
"""What a row says to what is found and what is wanted. Raises Skipped."""


class Skipped(Exception):
    """The row cannot be played; the text says why."""


def skip(why: str) -> Check:
    """The check of rows of which none can be played."""

    def check(_: Any) -> tuple[Any, Any]:
        raise Skipped(why)

    return check


def rows(path: Path) -> Iterator[Row]:
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)


def play_table(path: Path, checks: Mapping[str, Check], different: Mapping[str, str]) -> tuple[int, list[str]]:
    """How many rows ran, and what is wrong: rows that differ and are not in `different`, and those that should not be.

    Checks are by the name of a row's call, or of its test. `different` has the reasons by id.
    """
    ran, told, wrong = 0, Counter[str](), []
    for row in rows(path):
        name = row.get("call") or row["id"].split("/")[2].partition("#")[0]
        given = row if "call" in row else row["case"]
        try:
            found, wanted = checks[name](given)
        except Skipped as skipped:
            told[f"skipped: {skipped}"] += 1
            continue
        ran += 1
        reason = different.get(row["id"], "")
        if found != wanted and reason:
            told[f"differs: {reason}"] += 1
        elif found != wanted or reason:
            wrong.append(f"{row['id']}: found {found}, wanted {wanted}{' (listed as different)' if reason else ''}")
    _tell(path.stem, ran, told)
    return ran, wrong


def _tell(table: str, ran: int, told: Counter[str]) -> None:
    skipped, differ = (sum(n for why, n in told.items() if why.startswith(each)) for each in ("skipped", "differs"))
    print(f"{table}: {ran} ran, {skipped} skipped, {differ} differ")
    for why, number in sorted(told.items()):
        print(f"  {number} {why}")

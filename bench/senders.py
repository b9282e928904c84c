"""Adapters that send, beside the clients that their backends' makers have: the same entries, the same run.

Every module `bench/senders_NAME.py` has a function

    def senders() -> Iterable[Sent]

whose first is the adapter as it is by default; the others are compared with it. Of an adapter with several signals each
begins with its name (`logs: the adapter`), and rows are compared with the first of theirs. What a function needs that is not
installed it says by raising ImportError with a sentence, and the table goes without it. What such functions have in
common is in `bench/sending.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence

import bench
from bench.sending import ENTRIES, MESSAGE, Sent
from bench.table import table

PREFIX = "senders_"
SIGNALS = ("metrics", "logs", "spans", "traces")
HEADER = ("ratio", "adapter", "what", "CPU us an entry", "entries a core-second", "bytes an entry")


def names() -> list[str]:
    """Of all adapters that have a module here."""
    return sorted(
        found.name.removeprefix(PREFIX) for found in pkgutil.iter_modules(bench.__path__) if found.name[:8] == PREFIX
    )


def measure(chosen: Sequence[str] = ()) -> str:
    """Of these adapters, or of all."""
    rows: list[tuple[object, ...]] = []
    missing = []
    for name in chosen or names():
        module = importlib.import_module(f"bench.{PREFIX}{name}")
        try:
            rows += _rows(name, module.senders())
        except ImportError as error:
            missing.append(f"{name} is left out: {error}")
    found = table(f"Sending: {ENTRIES} entries in reports of {MESSAGE}", HEADER, rows)
    return found + "".join(f"\n{line}\n" for line in missing)


def _rows(name: str, sent: Iterable[Sent]) -> list[tuple[object, ...]]:
    given = list(sent)
    first: dict[str, float] = {}
    for each in given:
        first.setdefault(_signal(each.what), each.cpu)
    return [
        (
            each.cpu / first[_signal(each.what)],
            name,
            each.what,
            each.cpu,
            1e6 / each.cpu,
            "-" if each.bytes is None else each.bytes,
        )
        for each in given
    ]


def _signal(what: str) -> str:
    """The one that it is about, if that is said."""
    word = what.partition(": ")[0]
    return word if word in SIGNALS else ""

"""How much one message may make Mixer do: a message of a few bytes an entry could else keep the loop for minutes.

Proxies are far below: 1.4's sends 100 entries with some hundred words, Envoy 16 KiB of log entries, `mixc` a few quotas.
"""

from __future__ import annotations

MOST_ENTRIES = 10_000  # of a Report or a message of a log stream
MOST_QUOTAS = 1_000  # of a Check
MOST_DESCRIPTORS = 1_000  # of a call about rate limits
MOST_SHARED = 2_000_000  # default words, or attributes of the entry before, times the entries that repeat them


class TooMuch(Exception):
    """A message asks for more; the text is a sentence without its full stop."""


def check_report(entries: int, default_words: int) -> None:
    """Raises TooMuch."""
    if entries > MOST_ENTRIES:
        raise TooMuch(f"a report has at most {MOST_ENTRIES} entries, and this one has {entries}")
    if entries * default_words > MOST_SHARED:
        text = f"{default_words} default words for {entries} entries are too many: send fewer entries at once"
        raise TooMuch(text)


def check_quotas(number: int) -> None:
    """Raises TooMuch."""
    if number > MOST_QUOTAS:
        raise TooMuch(f"a Check asks for at most {MOST_QUOTAS} quotas, and this one for {number}")


def check_descriptors(number: int) -> None:
    """Raises TooMuch."""
    if number > MOST_DESCRIPTORS:
        raise TooMuch(f"a call about rate limits has at most {MOST_DESCRIPTORS} descriptors, and this one has {number}")


class Repeated:
    """What the entries of a report in differences repeat of those before."""

    def __init__(self) -> None:
        self._number = 0

    def add(self, attributes: int) -> None:
        """Raises TooMuch."""
        self._number += attributes
        if self._number > MOST_SHARED:
            raise TooMuch("the entries of this report repeat too much of those before: send fewer at once")

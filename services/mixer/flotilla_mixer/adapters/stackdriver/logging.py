"""Entries to Cloud Logging, and what it says of those it does not take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from flotilla_mixer.adapters.stackdriver.entries import Entry, EntryWriter, size_of
from flotilla_mixer.adapters.stackdriver.link import Link
from flotilla_mixer.adapters.stackdriver.outcomes import BY_NUMBER, CallError, Code, detail, verdict
from flotilla_mixer.adapters.stackdriver.place import Place, Places
from flotilla_mixer.adapters.stackdriver.wire import field
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.sending import RetrySettings, SendError

WRITE = "/google.logging.v2.LoggingServiceV2/WriteLogEntries"
ENTRIES, PARTIAL_SUCCESS = 4, b"\x28\x01"  # of its request: a field, and partial_success: true
LONGEST_ENTRY = 250 * 1024  # 256 KB with its head
TOO_LONG, MISFIT = "too_long", "misfit"
SETTINGS = DeliverySettings(retry=RetrySettings(send_seconds=15.0))


class Encodes(Protocol):
    def encode(self, place: Place) -> bytes:
        """A LogEntry."""
        ...


class EntryLink:
    """Sends entries of any log."""

    def __init__(self, link: Link, places: Places, partial_errors: Any) -> None:
        self._link = link
        self._places = places
        self._partial_errors = partial_errors

    async def send(self, batch: Sequence[Encodes]) -> None:
        """Raises SendError."""
        place = await self._places.find()
        request = b"".join([PARTIAL_SUCCESS, *(field(ENTRIES, entry.encode(place)) for entry in batch)])
        try:
            await self._link.call(WRITE, request)
        except CallError as error:
            raise in_part(error, batch, self._partial_errors) from None


class LogReporter:
    """`writers` are by the full names of instances."""

    def __init__(self, writers: Mapping[str, EntryWriter], link: EntryLink, environment: Environment) -> None:
        self._writers = writers
        self._environment = environment
        self._entries = environment.deliver(link.send, SETTINGS, size_of)

    def report(self, batches: Sequence[ReportBatch], wrong: list[str]) -> None:
        before = len(wrong)
        self._entries.offer(list(self._written(batches, wrong)))
        self._environment.dropped(MISFIT, len(wrong) - before)

    def _written(self, batches: Sequence[ReportBatch], wrong: list[str]) -> Iterator[Entry]:
        for batch in batches:
            writer = self._writers.get(batch.instance.name)
            if writer is None:
                continue
            for row in batch.rows:
                try:
                    entry = writer.entry(row, self._complain)
                except ValueError as error:
                    wrong.append(str(error))
                    continue
                if len(entry.body) <= LONGEST_ENTRY:
                    yield entry
                else:
                    self._too_long(entry)

    def _complain(self, text: str) -> None:
        self._environment.complain("payload", "a payload cannot be made, and its entry goes without", error=text)

    def _too_long(self, entry: Entry) -> None:
        self._environment.dropped(TOO_LONG)
        text = "entries are dropped: Cloud Logging takes none that is longer than 256 KB"
        self._environment.complain(TOO_LONG, text, bytes=len(entry.body))


def in_part(error: CallError, batch: Sequence[Any], partial_errors: Any) -> SendError:
    """What an answer says of the single entries: those that it numbers were not written, the others were. An answer
    without numbers is about all of them.
    """
    found = detail(error.status, partial_errors)
    if found is None or not found.log_entry_errors:
        return error
    left: list[Any] = []
    refused: dict[str, list[Any]] = {}
    for place, status in sorted(found.log_entry_errors.items()):
        if 0 <= place < len(batch):
            cause, retry = verdict(BY_NUMBER.get(status.code, Code.UNKNOWN))
            (left if retry else refused.setdefault(cause, [])).append(batch[place])
    return SendError(str(error), cause="busy" if left else error.cause, retry=bool(left), left=left, refused=refused)

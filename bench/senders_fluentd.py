"""Fluentd's adapter beside npm's `@fluent-org/logger` and PyPI's `fluent-logger`, to a server that acknowledges."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fluent.sender import EventTime, FluentSender

from bench.forward_sink import forward_sink
from bench.sending import ENTRIES, ROUNDS, Sent, deliver, least
from flotilla_mixer.adapters.fluentd.adapter import Fluentd
from flotilla_mixer.templates.catalogue import LOG_ENTRY
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.fluentd_client import send_by_fluent_client
from flotilla_mixer.testing.fluentd_entries import FluentdEntry
from flotilla_mixer.testing.fluentd_server import fluent_package
from flotilla_shared.model.expressions import Duration, Timestamp

MOMENT = 1_767_225_600_123_456_789
# In the order of their names, as rows have them.
NAMES = ("destination", "latency", "requestId", "responseCode", "responseSize", "source", "user")
ACCESS = sample_spec(LOG_ENTRY, NAMES, name="access.instance.bench")


def _values(number: int) -> tuple[Any, ...]:
    took = Duration((5000 + number * 7919 % 90_000) * 1000)
    return ("reviews", took, f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}", 200, number % 5000, "productpage", "")


def _record(number: int) -> dict[str, Any]:
    values = dict(zip(NAMES, _values(number), strict=True))
    return values | {"latency": f"{values['latency'] / 1e6:g}ms", "severity": "info"}


ROWS = [(Timestamp(MOMENT + number), "info", None, _values(number), ()) for number in range(ENTRIES)]
RECORDS = [_record(number) for number in range(ENTRIES)]


def senders() -> Iterator[Sent]:
    try:
        fluent_package()
    except pytest.skip.Exception as error:
        raise ImportError(str(error)) from error
    with forward_sink() as sink, tempfile.TemporaryDirectory() as folder:

        def sent(what: str, send: Callable[[], object], cpu: Callable[[Callable[[], object]], float] = least) -> Sent:
            used = cpu(send)
            return Sent(what, used, sink.taken() / ENTRIES / ROUNDS)

        port = sink.port
        yield sent("the adapter, acknowledged", lambda: _adapter(port))
        yield sent("the adapter, compressed", lambda: _adapter(port, compression="GZIP"))
        yield sent("the adapter, not acknowledged", lambda: _adapter(port, requireAckResponse=False))
        for mode in ("PackedForward", "CompressedPackedForward"):
            what = f"npm's `@fluent-org/logger`, {mode}, acknowledged"
            yield sent(what, lambda mode=mode: _client(port, Path(folder), mode), _told)  # type: ignore[misc]
        yield sent("PyPI's `fluent-logger`, one by one, not acknowledged", lambda: _logger(port))


def _adapter(port: int, **changes: Any) -> None:
    params = {"address": f"127.0.0.1:{port}", "instanceBufferSize": ENTRIES, **changes}
    deliver(Fluentd(), params, ACCESS, ROWS)


def _told(send: Callable[[], Any]) -> float:
    """Of a way that runs elsewhere and says what it took."""
    return min(float(send()) for _ in range(ROUNDS)) / ENTRIES


def _client(port: int, folder: Path, mode: str) -> float:
    entries = [FluentdEntry(ACCESS.name, MOMENT + number, record) for number, record in enumerate(RECORDS)]
    return send_by_fluent_client(folder, port, entries, mode)


def _logger(port: int) -> None:
    with FluentSender(ACCESS.name, port=port, nanosecond_precision=True) as sender:
        for number, record in enumerate(RECORDS):
            if not sender.emit_with_time("", EventTime.from_unix_nano(MOMENT + number), record):
                raise ValueError(f"an entry was not sent: {sender.last_error}")

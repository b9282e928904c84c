"""The HTTP request of a log entry, from the variables that `httpMapping` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flotilla_mixer.adapters.stackdriver.wire import clean, shown
from flotilla_shared.model.expressions import Duration

LONGEST = 8_000  # characters of a text
BILLION = 1_000_000_000
MOST, MOST_STATUS = 2**63 - 1, 2**31 - 1
# Field of the mapping -> field of google.logging.type.HttpRequest.
TEXTS = {
    "local_ip": "server_ip",
    "remote_ip": "remote_ip",
    "url": "request_url",
    "method": "request_method",
    "user_agent": "user_agent",
    "referer": "referer",
}
NUMBERS = {
    "status": ("status", MOST_STATUS),
    "request_size": ("request_size", MOST),
    "response_size": ("response_size", MOST),
}
Write = Callable[[Any, object], None]


class HttpRequestWriter:
    """`places` says where each variable is. A value that does not fit its field is left out, as 1.4 did."""

    def __init__(self, mapping: Any, places: Mapping[str, int]) -> None:
        self._writes = [
            (places[getattr(mapping, field.name)], _writer(field.name))
            for field in mapping.DESCRIPTOR.fields
            if getattr(mapping, field.name)
        ]

    def write(self, variables: Sequence[object], request: Any) -> None:
        request.SetInParent()
        for place, write in self._writes:
            write(request, variables[place])


def _writer(name: str) -> Write:
    if name == "latency":
        return _latency
    if name in TEXTS:
        return _text(TEXTS[name])
    return _number(*NUMBERS[name])


def _text(field: str) -> Write:
    def write(request: Any, value: object) -> None:
        setattr(request, field, clean(shown(value), LONGEST))

    return write


def _number(field: str, most: int) -> Write:
    def write(request: Any, value: object) -> None:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            setattr(request, field, value)

    return write


def _latency(request: Any, value: object) -> None:
    if isinstance(value, Duration) and value >= 0:
        request.latency.seconds, request.latency.nanos = divmod(int(value), BILLION)

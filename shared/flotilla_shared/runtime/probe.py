"""The exec probe of a service: asks its monitoring port, where the image has no other program that could."""

from __future__ import annotations

import http.client
import re

READY = "/readyz"
SECONDS = 2.0
_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0}
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # what a server binds to


def seconds_of(text: str) -> float:
    """`2s`, `500ms`, `1m` or a number of seconds, above 0. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|)", text)
    if found is None or not float(found[1]):
        raise ValueError(f"{text!r} is no time above 0, such as 2s")
    return float(found[1]) * _UNITS[found[2]]


def probe(address: str, port: int, path: str = READY, seconds: float = SECONDS) -> str:
    """ "" where the service that listens there answers well in that time, else what it said, in one line."""
    connection = http.client.HTTPConnection(_EVERYWHERE.get(address, address), port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from port {port}: {error}"
    finally:
        connection.close()
    return "" if answer.status == http.client.OK else f"{path} says {answer.status}: {' '.join(said.split())}"

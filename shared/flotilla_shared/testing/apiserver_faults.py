"""What the API server of tests was asked, and what it is told to do instead of answering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    verb: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    authorization: str = ""
    content_type: str = ""
    accept: str = ""


@dataclass
class Fault:
    """What happens instead of an answer, `times` times: a status, an ERROR event, or a cut connection.

    `hang` gives the true answer, but only after `release`.
    """

    verb: str
    code: int = 0
    reason: str = ""
    message: str = "told to"
    retry_after: str = ""
    event: bool = False
    cut: bool = False
    hang: bool = False
    times: int = 1
    plural: str = ""

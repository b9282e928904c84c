"""What nobody who looks on may read: tokens, cookies and keys of calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
# Attributes that are secret as a whole, and words in the names of headers, parameters and claims that make one secret.
SECRET = frozenset(("request.api_key", "request.auth.raw_claims"))
_WORDS = re.compile(
    r"auth(?!ority)|cookie|token|secret|passw|api[-_]?key|(^|[-_])key|credential|session|signature|jwt|x-forwarded-client-cert",
    re.IGNORECASE,
)
_WITH_QUERY = frozenset(("request.path", "request.referer"))
_PARAMETER = re.compile(r"([?&;]([^=&;#]*)=)([^&;#]*)")


def masked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The same attributes; the values that are secret are `***`."""
    return {name: _masked(name, value) for name, value in attributes.items()}


def _masked(name: str, value: Any) -> Any:
    if name in SECRET:
        return MASK
    if isinstance(value, Mapping):
        return {key: _of_map(key, each) for key, each in value.items()}
    if name in _WITH_QUERY and isinstance(value, str):
        return _masked_query(value)
    return value


def _of_map(key: str, value: Any) -> Any:
    if _WORDS.search(key):
        return MASK
    return _masked_query(value) if key.lower() in (":path", "referer") and isinstance(value, str) else value


def _masked_query(text: str) -> str:
    """A path with the values of parameters that are secret by their names left out."""
    return _PARAMETER.sub(lambda found: found[1] + (MASK if _WORDS.search(found[2]) else found[3]), text)

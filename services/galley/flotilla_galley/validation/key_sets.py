"""JSON Web Key Sets, as far as their form goes (RFC 7517)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_BASE64URL = re.compile(r"[-_A-Za-z0-9]+={0,2}\Z")
# What a key of each type must have (RFC 7518, RFC 8037).
_PARTS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}
_NAMES = frozenset(("crv",))
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "k")


def key_set(text: str) -> str:
    """What is wrong with a set of keys, or with one key that stands for a set; or ""."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"it is no set of keys: {error}"
    if not isinstance(found, dict):
        return "it is no set of keys: an object with a list `keys` must stand here"
    keys = found.get("keys", [found])
    if not isinstance(keys, list):
        return "`keys` is no list"
    return next((f"key {index}: {wrong}" for index, key in enumerate(keys) if (wrong := _key(key))), "")


def _key(key: Any) -> str:
    if not isinstance(key, dict):
        return "it is no object"
    kind = key.get("kty")
    if not isinstance(kind, str) or kind not in _PARTS:
        return f"its kty is none of {', '.join(_PARTS)}"
    for part in _PARTS[kind]:
        value = key.get(part)
        if not isinstance(value, str) or not value:
            return f"{part} is missing, which a key of type {kind} has"
        if part not in _NAMES and not _BASE64URL.match(value):
            return f"{part} is no base64url"
    return ""


def private_keys(text: str) -> Iterator[int]:
    """The positions of keys with a private part; none of a text that is no set."""
    if key_set(text):
        return
    found = json.loads(text)
    for index, key in enumerate(found.get("keys", [found])):
        if any(part in key for part in _PRIVATE):
            yield index

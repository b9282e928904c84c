"""What the webhook's URL adds to a pod: `/inject/cluster/<c>/net/<n>/<key>/<value>`, and `/inject/:ENV:k=v:ENV:k=v`."""

from __future__ import annotations

import re
from urllib.parse import unquote

from flotilla_pilot.injection.errors import InjectionRefused

PREFIX = "/inject"
NAMES = {"cluster": "ISTIO_META_CLUSTER_ID", "net": "ISTIO_META_NETWORK"}
SLASH = "--slash--"
OLD = ":ENV:"
_VARIABLE = re.compile(r"^[A-Z_][A-Z0-9_]*$")


def environment_of(path: str) -> dict[str, str]:
    """Variables by name. Raises InjectionRefused for a path of another form."""
    rest = path.removeprefix(PREFIX).strip("/")
    if rest.startswith(OLD):
        pairs = [part.partition("=")[::2] for part in rest.split(OLD) if part]
    else:
        words = rest.split("/") if rest else []
        if len(words) % 2:
            raise InjectionRefused(
                f"the webhook's path {path!r} must be {PREFIX}/<key>/<value>/...: {words[-1]!r} has no value"
            )
        pairs = list(zip(words[::2], words[1::2], strict=True))
    return {_name(path, key): unquote(value).replace(SLASH, "/") for key, value in pairs}


def _name(path: str, key: str) -> str:
    name = NAMES.get(key, key.upper())
    if not _VARIABLE.match(name):
        raise InjectionRefused(f"the webhook's path {path!r} holds {key!r}, which is no name of a variable")
    return name

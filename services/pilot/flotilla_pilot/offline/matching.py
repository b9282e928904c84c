"""Which virtual host and which route of a table take a request, by Envoy's rules."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from flotilla_pilot.offline.calls import Call, Lost

Part = Mapping[str, Any]


def choose_host(table: Part, host: str) -> Part:
    """The exact domain's, else that of the longest `*suffix`, else of the longest `prefix*`, else of `*`.

    Raises Lost.
    """
    name = (_without_port(host) if table.get("ignore_port_in_host_matching") else host).lower()
    domains = {domain.lower(): each for each in table.get("virtual_hosts", []) for domain in each["domains"]}
    if name in domains:
        return _part(domains[name])
    suffixes = [each for each in domains if each.startswith("*") and len(each) > 1 and name.endswith(each[1:])]
    prefixes = [each for each in domains if each.endswith("*") and len(each) > 1 and name.startswith(each[:-1])]
    for found in (suffixes, prefixes):
        if found:
            return _part(domains[max(found, key=len)])
    if "*" in domains:
        return _part(domains["*"])
    raise Lost("NoVirtualHost")


def choose_route(host: Part, call: Call) -> Part:
    """The first route that takes the call. Raises Lost."""
    for each in host.get("routes", []):
        if takes(each["match"], call):
            return _part(each)
    raise Lost("NoRoute")


def takes(match: Part, call: Call) -> bool:
    """Whether a route's match takes the call; of a share of requests every one is taken."""
    path, _, query = call.path.partition("?")
    if not _fits(match, path):
        return False
    if call.headers is None:
        return True
    asked = dict(parse_qsl(query, keep_blank_values=True))
    headers = {":path": call.path, ":authority": call.host, **call.headers}
    return all(_has(each, headers) for each in match.get("headers", ())) and all(
        _has(each, asked) for each in match.get("query_parameters", ())
    )


def _fits(match: Part, path: str) -> bool:
    folded = match.get("case_sensitive", True) is False
    told = str.lower if folded else str
    if "connect_matcher" in match:
        return False
    if "prefix" in match:
        return told(path).startswith(told(match["prefix"]))
    if "path" in match:
        return told(path) == told(match["path"])
    if "path_separated_prefix" in match:
        prefix = told(match["path_separated_prefix"])
        return told(path) == prefix or told(path).startswith(f"{prefix}/")
    return "safe_regex" not in match or _matches(match["safe_regex"]["regex"], path)


def _has(asked: Part, given: Mapping[str, str]) -> bool:
    """Whether a header or query parameter is as asked; one that is not there is only as asked by absence."""
    value = given.get(str(asked["name"]))
    if value is None and asked.get("treat_missing_header_as_empty"):
        value = ""
    inverted = bool(asked.get("invert_match"))
    if "present_match" in asked:
        return ((value is not None) is bool(asked["present_match"])) is not inverted
    if value is None:
        return inverted and "string_match" in asked
    return ("string_match" not in asked or _text(asked["string_match"], value)) is not inverted


_TESTS: Mapping[str, Callable[[Any, str], bool]] = {
    "exact": lambda wanted, value: value == wanted,
    "prefix": lambda wanted, value: value.startswith(wanted),
    "suffix": lambda wanted, value: value.endswith(wanted),
    "contains": lambda wanted, value: wanted in value,
    "safe_regex": lambda wanted, value: _matches(wanted["regex"], value),
}


def _text(match: Part, value: str) -> bool:
    folded = bool(match.get("ignore_case"))
    for name, test in _TESTS.items():
        if name in match:
            wanted = match[name]
            return test(
                wanted.lower() if folded and isinstance(wanted, str) else wanted, value.lower() if folded else value
            )
    return value == ""


def _matches(pattern: str, text: str) -> bool:
    """By Python's engine, which differs from RE2 in nothing that both take; what it cannot read matches nothing."""
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return False


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host


def _part(value: Any) -> Part:
    found: Part = value
    return found

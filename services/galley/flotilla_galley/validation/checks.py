"""What the kinds' rules are made of: one function a primitive, each saying what would be right.

The ids (P1 ...) are those of Istio's primitive rules. A function gives the sentence of what is wrong, or "".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from flotilla_shared.model.objects import Problem, Severity
from flotilla_shared.model.protocols import Protocol, parse_protocol

_LABEL = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?\Z")
_STARRED = re.compile(r"\*(?:-?[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)?\Z")
_LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?\Z")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+(?:%.*)?\Z")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_PSEUDO = frozenset((":method", ":scheme", ":authority", ":path", ":status"))
_RE2_MISSING = re.compile(r"\(\?[=!<]|\\[1-9]|\(\?P=|\(\?#|\(\?>")
MAX_REGEX = 1024
CACHED = (
    4096  # an object names a host several times, a mesh a namespace thousands of times; only short texts come so far
)
MILLISECOND = 1_000_000
T = TypeVar("T")


def port(number: int) -> str:
    """P1"""
    return "" if 1 <= number <= 65535 else f"port {number} is outside of 1 to 65535"


def digits(text: str) -> int:
    """The number that a text of at most 20 digits (of ASCII) is, else -1."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1


def dns_label(name: str) -> str:
    """P2"""
    if len(name) <= 63 and _is_label(name):
        return ""
    return f"{name!r} is no name of up to 63 letters, digits and inner dashes"


@lru_cache(CACHED)
def _is_label(name: str) -> bool:
    return _LABEL.match(name) is not None


def fqdn(host: str) -> str:
    """P3"""
    return _length(host) or _domain(host, wildcard=False)


def wildcard_domain(host: str) -> str:
    """P4: a host name whose first label may be or begin with a star; a lone star is one."""
    return _length(host) or _domain(host, wildcard=True)


def _length(host: str) -> str:
    if 1 <= len(host) <= 255:
        return ""
    return "a host name has 1 to 255 characters" if host else "the host name is empty"


@lru_cache(CACHED)
def _domain(host: str, *, wildcard: bool) -> str:
    labels = host.removesuffix(".").split(".")
    for index, label in enumerate(labels):
        starred = wildcard and index == 0 and label.startswith("*")
        if starred and _STARRED.match(label):
            continue
        if "*" in label:
            return f"{host!r} has a star where none may be; only the first part of a host name may begin with one"
        if wrong := dns_label(label):
            return f"{host!r} is no host name: {wrong}"
    if labels[-1].isdigit():
        return f"{host!r} is no host name: its last part is a number"
    return ""


def ip(address: str) -> str:
    """P12, a single address"""
    if not _ADDRESS.match(address):  # most names are none, and to be refused below takes longer
        return f"{address!r} is no IP address"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return f"{address!r} is no IP address"
    return ""


def cidr(address: str) -> str:
    """P12, an address or a network"""
    try:
        ipaddress.ip_network(address, strict=False)
    except ValueError:
        return f"{address!r} is neither an IP address nor a network such as 10.0.0.0/8"
    return ""


def unix(path: str) -> str:
    """P11: what follows `unix://`"""
    if path.startswith("@") and len(path) > 1:
        return ""
    if path.startswith("/") and not path.endswith("/"):
        return ""
    return f"{path!r} is no absolute path of a socket"


def duration(value: Duration, least: int = MILLISECOND) -> str:
    """P7: whole milliseconds, at least `least` nanoseconds"""
    nanos = value.seconds * 10**9 + value.nanos
    if nanos < least:
        return f"{nanos / 10**9:g}s is too short; it must be at least {least / 10**9:g}s"
    return "" if nanos % MILLISECOND == 0 else "only whole milliseconds are possible"


def percent(value: float) -> str:
    """P9, of a fraction"""
    if value == 0 or 0.0001 <= value <= 100:
        return ""
    return f"{value:g} is outside of 0 to 100 (the least above 0 is 0.0001)"


def label(key: str, value: str) -> str:
    """P10"""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or fqdn(prefix)):
        return f"label {key!r}: {prefix!r} is no host name"
    if not _LABEL_NAME.match(name):
        return f"label {key!r} must be up to 63 letters, digits, dashes, dots or underscores"
    if value and not _LABEL_NAME.match(value):
        return f"label {key!r} has the value {value!r}; it may have up to 63 letters, digits, dashes, dots, underscores"
    return ""


def protocol(word: str, *, empty: bool = True) -> str:
    """P13"""
    if (empty and not word) or parse_protocol(word) is not Protocol.UNSUPPORTED:
        return ""
    known = ", ".join(each.value for each in Protocol if each not in (Protocol.UNSUPPORTED, Protocol.HTTP_PROXY))
    return f"{word!r} is no protocol; there are {known}"


def header_name(name: str, *, pseudo: bool = False) -> str:
    """P15"""
    if not name:
        return "the header's name is empty"
    if _HEADER.match(name) or (pseudo and (name in _PSEUDO or name.startswith("@request.auth.claims"))):
        return ""
    return f"{name!r} is no header name"


def regex(text: str) -> str:
    """P17: as far as Python's engine can tell what RE2 takes"""
    if not text:
        return "the regular expression is empty"
    if len(text.encode()) > MAX_REGEX:
        return f"the regular expression is longer than {MAX_REGEX} bytes"
    if _RE2_MISSING.search(text):
        return f"{text!r} uses look-around or a back reference, which RE2 has not"
    try:
        re.compile(text)
    except re.error as error:
        return f"{text!r} is no regular expression: {error}"
    return ""


def namespaced_host(text: str, *, slash: bool) -> str:
    """P6: `namespace/host`; without `slash` the namespace may be left out (Gateway)"""
    namespace, found, host = text.rpartition("/")
    if slash and not found:
        return f"{text!r} must be of the form namespace/host, such as ./* or */reviews.default.svc.cluster.local"
    if (
        found
        and namespace not in (("*", ".", "~") if slash else ("*", "."))
        and (wrong := dns_label(namespace.removeprefix("~") if slash else namespace))
    ):
        return f"{text!r}: the namespace must be *, . or a name: {wrong}"
    if host == "*" or not ip(host):
        return ""
    if "." not in host:
        return f"{text!r}: {host!r} is a short name; give the whole host name, or *"
    return wildcard_domain(host)


class Report:
    """Collects problems; `at` goes down to a field and reads like the path it makes.

    Paths are put together when there is something to tell: most objects are right.
    """

    __slots__ = ("_above", "_field", "_index", "problems")

    def __init__(
        self,
        path: str = "spec",
        problems: list[Problem] | None = None,
        above: Report | None = None,
        index: int | str | None = None,
    ) -> None:
        """`path` is whole, or a field of the report `above`."""
        self._above = above
        self._field = path
        self._index = index
        self.problems: list[Problem] = [] if problems is None else problems

    @property
    def path(self) -> str:
        steps, here = [], self
        while here._above is not None:
            steps.append(here._step())
            here = here._above
        return "".join([here._field, *reversed(steps)])

    def _step(self) -> str:
        field = f".{self._field}" if self._field else ""
        if self._index is None:
            return field
        return f"{field}[{self._index}]" if isinstance(self._index, int) else f"{field}.{self._index}"

    def at(self, field: str, index: int | str | None = None) -> Report:
        """The report of a field, or of an item of it."""
        return Report(field, self.problems, self, index)

    def each(self, field: str, items: Iterable[T]) -> Iterator[tuple[Report, T]]:
        for index, item in enumerate(items):
            yield Report(field, self.problems, self, index), item

    def wrong(self, text: str, code: str = "invalid", severity: Severity = "error") -> None:
        """Note a problem here; an empty text is none."""
        if text:
            self.problems.append(Problem(code, self.path, text, severity))

    def warn(self, text: str, code: str = "invalid") -> None:
        self.wrong(text, code, "warning")

    def check(self, rule: Callable[[T], str], field: str, value: T) -> None:
        """Apply a primitive to a field."""
        if text := rule(value):
            self.at(field).wrong(text)


def labels(report: Report, pairs: Mapping[str, str]) -> None:
    for key, value in sorted(pairs.items()) if pairs else ():
        report.at("", key).wrong(label(key, value))


def export_to(report: Report, names: Iterable[str], own_namespace: str, *, nobody: bool = False) -> None:
    """P18, of today"""
    seen: set[str] = set()
    listed = list(names)
    for where, name in report.each("exportTo", listed):
        meant = own_namespace if name == "." else name
        if meant in seen:
            where.wrong(f"{name!r} is named twice", "duplicate")
        seen.add(meant)
        if name in ("*", "~") and len(listed) > 1:
            where.wrong(f"{name!r} must stand alone")
        if name == "~" and not nobody:
            where.wrong("'~' (nobody) is possible for a ServiceEntry only")
        if name not in ("*", ".", "~"):
            where.wrong(dns_label(name))


def selector(report: Report, pairs: Mapping[str, str]) -> None:
    """P21"""
    for key, value in sorted(pairs.items()):
        if not key:
            report.wrong("a label's name is empty")
        elif "*" in key or "*" in value:
            report.at("", key).wrong("a star is no wildcard in a selector; name the label and its value")

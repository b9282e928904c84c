"""The listchecker adapter: white lists and black lists (mixer.md 5.6)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.adapters.list.entries import Entries, entries_of, is_kind
from flotilla_mixer.adapters.list.provider import Provider
from flotilla_mixer.kit.adapter import CheckCall, Environment, Fault
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.catalogue import LIST_ENTRY
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.list.config.config_pb2 import Params

NANOSECONDS = 1_000_000_000
INVALID_ARGUMENT, PERMISSION_DENIED = 3, 7
VALUE = 0  # place in a row of `listentry`


class ListHandler:
    """`fixed` is the list of a handler without a provider."""

    def __init__(self, params: Any, fixed: Entries | None, provider: Provider | None, environment: Environment) -> None:
        self._fixed = fixed
        self._provider = provider
        self._environment = environment
        self._black = params.blacklist
        self._seconds = _seconds(params.caching_interval)
        self._uses = params.caching_use_count

    def check(self, calls: Sequence[CheckCall]) -> None:
        """Calls that come before the list was fetched for the first time wait for it."""
        if self._provider is not None and not self._provider.fetched.is_set():
            self._environment.answer(calls, self._check_later(calls, self._provider.fetched))
        else:
            self._check(calls)

    async def _check_later(self, calls: Sequence[CheckCall], fetched: asyncio.Event) -> None:
        await fetched.wait()
        self._check(calls)

    def _check(self, calls: Sequence[CheckCall]) -> None:
        for call in calls:
            entries = self._provider.entries if self._provider is not None else self._fixed
            if entries is None:
                assert self._provider is not None
                call.fail(self._provider.error)
            else:
                call.answer(self._judge(entries, call.row[VALUE]))

    def close(self) -> None:
        pass

    def _judge(self, entries: Entries, value: object) -> CheckResult:
        if not isinstance(value, (str, bytes)):
            return self._result(INVALID_ARGUMENT, f"{text_of(value)} is not a valid string or IP address")
        text = _address(value) if isinstance(value, bytes) else value
        try:
            found = entries.has(text)
        except ValueError:
            return self._result(INVALID_ARGUMENT, f"{text} is not a valid IP address")
        if found == self._black:
            said = "is blacklisted" if self._black else "is not whitelisted"
            return self._result(PERMISSION_DENIED, f"{text} {said}")
        return self._result(0, "")

    def _result(self, code: int, message: str) -> CheckResult:
        return CheckResult(code, message, self._seconds, self._uses)


def _address(value: bytes) -> str:
    """Of 4 or 16 bytes, a mapped one as IPv4; other lengths as hexadecimal digits, which no list has."""
    if len(value) not in (4, 16):
        return value.hex()
    found = ipaddress.ip_address(value)
    return str(getattr(found, "ipv4_mapped", None) or found)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)


class ListChecker:
    """The adapter."""

    name: ClassVar[str] = "listchecker"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((LIST_ENTRY.name,))

    def defaults(self) -> Message:
        return Params(
            refresh_interval=Duration(seconds=60),
            ttl=Duration(seconds=300),
            caching_interval=Duration(seconds=300),
            caching_use_count=10_000,
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        if params.provider_url:
            yield from _wrong_provider(params)
        if _seconds(params.caching_interval) < 0:
            yield Fault("spec.params.cachingInterval", "a validity must not be negative.")
        if params.caching_use_count < 0:
            yield Fault("spec.params.cachingUseCount", "a number of uses must not be negative.")
        if not is_kind(params.entry_type):
            yield Fault("spec.params.entryType", f"{params.entry_type} is no kind of entry.")
            return
        try:
            entries_of(params.entry_type, params.overrides)
        except ValueError as error:
            yield Fault("spec.params.overrides", f"{error}.")

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> ListHandler:
        extra = list(params.overrides)
        if not params.provider_url:
            return ListHandler(params, entries_of(params.entry_type, extra), None, environment)
        refresh, ttl = _seconds(params.refresh_interval), _seconds(params.ttl)
        provider = Provider(params.provider_url, params.entry_type, extra, refresh, ttl, environment)
        environment.spawn(provider.run(), "fetch")
        return ListHandler(params, None, provider, environment)


def _wrong_provider(params: Any) -> Iterable[Fault]:
    if not _is_url(params.provider_url):
        yield Fault("spec.params.providerUrl", f"{params.provider_url!r} is no http or https URL with a host.")
    refresh, ttl = _seconds(params.refresh_interval), _seconds(params.ttl)
    if refresh < 1:
        yield Fault(
            "spec.params.refreshInterval", f"a list is fetched once a second at most, and not every {refresh:g} s."
        )
    if ttl < refresh:
        yield Fault("spec.params.ttl", f"a list must live for as long as until it is fetched again: {refresh:g} s.")


def _is_url(text: str) -> bool:
    """Whether the client that fetches it will take it."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return False
    return url.scheme in ("http", "https") and bool(url.host)

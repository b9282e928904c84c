"""Lists and watches as they come: pages of objects, lines of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from flotilla_shared.runtime.kube.errors import KubeError
from flotilla_shared.runtime.kube.objects import ListMeta, ObjectMeta

# The store behind the API server takes objects of about 1.5 MB; an event is one of them in one line.
LINE_BYTES = 16 * 1024 * 1024


class Described(Protocol):
    """Whatever has metadata: every KubeStruct that stands for an object."""

    @property
    def metadata(self) -> ObjectMeta: ...


T = TypeVar("T", bound=Described)


class _List(msgspec.Struct, Generic[T]):
    metadata: ListMeta
    items: list[T] | None = None


class _RawList(msgspec.Struct):
    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class _RawEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    version: str
    continue_token: str


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK; only a bookmark has no object."""

    type: str
    version: str
    object: T | None


class _Bookmark(msgspec.Struct):
    metadata: ObjectMeta


class WatchError(KubeError):
    """The API server ended a watch with an ERROR event; the list must be read again."""


class Decoder(Generic[T]):
    """Decodes lists and events of one kind. An object that cannot be decoded is told to `bad` and left out."""

    def __init__(self, kind: type[T], bad: Callable[[str], None]) -> None:
        self._list = msgspec.json.Decoder(_List[kind])  # type: ignore[valid-type]
        self._raw_list = msgspec.json.Decoder(_RawList)
        self._object = msgspec.json.Decoder(kind)
        self._event = msgspec.json.Decoder(_RawEvent)
        self._bookmark = msgspec.json.Decoder(_Bookmark)
        self._bad = bad

    def page(self, body: bytes) -> Page[T]:
        """One page of a list. Raises KubeError for what is no list."""
        try:
            found = self._list.decode(body)
            items = found.items or []
            meta = found.metadata
        except msgspec.DecodeError:
            items, meta = self._page_one_by_one(body)
        return Page(items, meta.resource_version, meta.continue_token)

    def _page_one_by_one(self, body: bytes) -> tuple[list[T], ListMeta]:
        try:
            found = self._raw_list.decode(body)
        except msgspec.DecodeError as error:
            raise KubeError(0, "Undecodable", f"the answer is no list: {error}") from error
        decoded = (self._decoded(raw) for raw in found.items or [])
        return [item for item in decoded if item is not None], found.metadata

    def _decoded(self, raw: msgspec.Raw) -> T | None:
        try:
            return self._object.decode(raw)
        except msgspec.DecodeError as error:
            self._bad(str(error))
            return None

    def event(self, line: bytes) -> Event[T] | None:
        """One line of a watch; None for an object that cannot be decoded. Raises WatchError, KubeError."""
        try:
            found = self._event.decode(line)
            if found.type == "ERROR":
                raise _error_event(bytes(found.object))
            if found.type == "BOOKMARK":
                return Event("BOOKMARK", self._bookmark.decode(found.object).metadata.resource_version, None)
        except msgspec.DecodeError as error:
            raise KubeError(0, "Undecodable", f"a watch sent what is no event: {error}") from error
        item = self._decoded(found.object)
        return None if item is None else Event(found.type, item.metadata.resource_version, item)


class _Status(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""


def _error_event(body: bytes) -> WatchError:
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        status = _Status(message=body[:200].decode(errors="replace"))
    return WatchError(status.code, status.reason, status.message)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a body, without their ends; a last line without an end is not given. Raises KubeError."""
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        if b"\n" in chunk:
            whole, _, left = rest.rpartition(b"\n")
            rest = bytearray(left)
            for line in _split(bytes(whole)):
                yield line
        if len(rest) > LINE_BYTES:
            raise KubeError(0, "TooLarge", f"a watch sent an event of more than {LINE_BYTES} bytes")


def _split(whole: bytes) -> Iterator[bytes]:
    return (line for line in whole.split(b"\n") if line)

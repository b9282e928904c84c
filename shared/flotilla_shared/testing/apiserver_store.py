"""What the API server of tests holds: objects by kind, their history, and who waits for more of it."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
Name = tuple[str, str]


class Refused(Exception):
    """An answer that is a `v1.Status`."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def status(self) -> Object:
        return status(self.code, self.reason, self.message)


def status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


@dataclass(frozen=True, slots=True)
class Past:
    """One change: of which kind, at which version, what became of which object."""

    plural: str
    version: int
    type: str
    object: Object


@dataclass
class Store:
    """Objects by (group/plural) and (namespace, name). Versions count up over all kinds, as in etcd."""

    version: int = 100
    objects: dict[str, dict[Name, Object]] = field(default_factory=dict)
    past: list[Past] = field(default_factory=list)
    oldest: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def kind(self, plural: str) -> dict[Name, Object]:
        return self.objects.setdefault(plural, {})

    def get(self, plural: str, key: Name) -> Object:
        try:
            return self.kind(plural)[key]
        except KeyError:
            raise Refused(404, "NotFound", f'{plural} "{key[1]}" not found') from None

    def create(self, plural: str, key: Name, given: Object) -> Object:
        if key in self.kind(plural):
            raise Refused(409, "AlreadyExists", f'{plural} "{key[1]}" already exists')
        made = copy.deepcopy(given)
        meta = made.setdefault("metadata", {})
        meta |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": _now()}
        meta["name"] = key[1]
        if key[0]:
            meta["namespace"] = key[0]
        return self._put(plural, key, made, "ADDED")

    def replace(self, plural: str, key: Name, given: Object, *, part: str = "") -> Object:
        """All but the status, or the status alone (`part`); the version in it, if any, must be the current one."""
        before = self.get(plural, key)
        asked = given.get("metadata", {}).get("resourceVersion", "")
        if asked and asked != before["metadata"]["resourceVersion"]:
            raise Refused(409, "Conflict", f'{plural} "{key[1]}": the object has been modified')
        after = copy.deepcopy(before) if part else copy.deepcopy(given)
        if part:
            after.pop(part, None)
            after |= {part: copy.deepcopy(given[part])} if part in given else {}
        elif "spec" in before:  # a kind with a status subresource: a write of the whole does not touch it
            after.pop("status", None)
            after |= {"status": before["status"]} if "status" in before else {}
        kept = {name: before["metadata"].get(name) for name in ("uid", "creationTimestamp", "generation")}
        after["metadata"] = {**after.get("metadata", {}), **kept, "name": key[1]}
        if key[0]:
            after["metadata"]["namespace"] = key[0]
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
        after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        return before if after == before else self._put(plural, key, after, "MODIFIED")

    def delete(self, plural: str, key: Name) -> Object:
        gone = copy.deepcopy(self.get(plural, key))
        del self.kind(plural)[key]
        return self._note(plural, gone, "DELETED")

    def _put(self, plural: str, key: Name, item: Object, type_: str) -> Object:
        self._note(plural, item, type_)
        self.kind(plural)[key] = item
        return item

    def _note(self, plural: str, item: Object, type_: str) -> Object:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.past.append(Past(plural, self.version, type_, item))
        self.wake()
        return item

    def wake(self) -> None:
        """Whoever waits for news looks again."""
        self.changed.set()
        self.changed = asyncio.Event()

    def compact(self) -> None:
        """Forget the past: watches and pages from before now are too old."""
        self.past.clear()
        self.version += 1
        self.oldest = self.version


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def selected(item: Object, labels: str, fields: str) -> bool:
    """By the equality forms of both selectors: `a=b,c!=d,e,!f`."""
    meta = item["metadata"]
    paths = {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", "")}
    return _match(meta.get("labels") or {}, labels) and _match(paths, fields)


def _match(values: Mapping[str, str], selector: str) -> bool:
    return all(_term(values, term.strip()) for term in selector.split(",") if term)


def _term(values: Mapping[str, str], term: str) -> bool:
    if "!=" in term:
        name, _, value = term.partition("!=")
        return values.get(name) != value
    if "=" in term:
        name, _, value = term.replace("==", "=").partition("=")
        return values.get(name) == value
    return term[1:] not in values if term.startswith("!") else term in values

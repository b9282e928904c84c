"""Who may have which collections. A file of `{identity, collections}`; no entry means nobody.

Istio 1.4's access list is read too. `allowed: [identities]`: these may have everything. With `isBlackList: true` these
may have nothing and every other identity that the mesh has certified everything, which is what its author wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from flotilla_shared.model.kinds import by_collection

ALL = "*"


class AccessFileError(ValueError):
    """The access file cannot be used; one sentence says why."""


@dataclass(frozen=True, slots=True)
class AccessList:
    """`granted` maps an identity to its collections; `*` among them means all. `denied`, where it is a set, turns the
    list round: whoever is not in it may have everything.
    """

    granted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    denied: frozenset[str] | None = None

    def knows(self, identity: str) -> bool:
        """Whether this caller may have anything. One without an identity never may."""
        if self.denied is not None:
            return bool(identity) and identity not in self.denied
        return identity in self.granted

    def allows(self, identity: str, collection: str) -> bool:
        if self.denied is not None:
            return self.knows(identity)
        collections = self.granted.get(identity, frozenset())
        return ALL in collections or collection in collections


NOBODY = AccessList()
EVERYTHING = AccessList(denied=frozenset())


def read_access_file(file: Path) -> AccessList:
    """Blocking. Raises AccessFileError."""
    try:
        content = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)  # the safe one
    except OSError as error:
        raise AccessFileError(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AccessFileError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if isinstance(content, dict):
        return _of_1_4(file, content)
    if not isinstance(content, list):
        raise AccessFileError(f"{file} must be a list of entries with identity and collections")
    return AccessList(dict(_entry(file, index, entry) for index, entry in enumerate(content)))


def _entry(file: Path, index: int, entry: Any) -> tuple[str, frozenset[str]]:
    if not isinstance(entry, dict) or set(entry) != {"identity", "collections"}:
        raise AccessFileError(f"{file}, entry {index}: it must have identity and collections, and nothing else")
    identity, collections = entry["identity"], entry["collections"]
    if not isinstance(identity, str) or not identity.startswith("spiffe://"):
        raise AccessFileError(f"{file}, entry {index}: identity {identity!r} must begin with spiffe://")
    if not isinstance(collections, list) or not all(isinstance(name, str) for name in collections):
        raise AccessFileError(f"{file}, entry {index}: collections must be a list of names, or ['*']")
    for name in collections:
        if name != ALL and by_collection(name) is None:
            raise AccessFileError(f"{file}, entry {index}: there is no collection {name!r}")
    return identity, frozenset(collections)


def _of_1_4(file: Path, content: Mapping[str, Any]) -> AccessList:
    keys = {str(key).lower(): value for key, value in content.items()}
    allowed = keys.get("allowed") or []
    if not isinstance(allowed, list) or not set(keys) <= {"allowed", "isblacklist"}:
        raise AccessFileError(f"{file} is neither a list of entries nor an access list of Istio 1.4")
    black = keys.get("isblacklist", False)
    if not isinstance(black, bool) or not all(isinstance(each, str) for each in allowed):
        raise AccessFileError(f"{file}: isBlackList must be true or false, and allowed a list of identities")
    if black:
        return AccessList(denied=frozenset(allowed))
    return AccessList({identity: frozenset({ALL}) for identity in allowed})

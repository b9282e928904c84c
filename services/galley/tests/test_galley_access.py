"""Which collections a caller may have: the access list, in its own form and in those of Istio 1.4."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotilla_galley.distribution.access import AccessFileError, AccessList, read_access_file
from flotilla_shared.model.kinds import GATEWAYS, SIDECARS, WORKLOAD_ENTRIES

PILOT = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"
STRANGER = "spiffe://cluster.local/ns/default/sa/stranger"
GRANTED = AccessList({PILOT: frozenset({WORKLOAD_ENTRIES, GATEWAYS})})
ACCESS_FILES = [
    ("[]", {}),
    (f"- identity: {PILOT}\n  collections: [{GATEWAYS}]\n", {PILOT: {GATEWAYS}}),
    (f"- identity: {PILOT}\n  collections: ['*']\n", {PILOT: {"*"}}),
    (f"IsBlackList: false\nAllowed: [{PILOT}]\n", {PILOT: {"*"}}),
    (f"allowed: [{PILOT}]\n", {PILOT: {"*"}}),
]
BAD_ACCESS_FILES = [
    ("a: [", "is not YAML"),
    ("hello", "must be a list"),
    ("- identity: x\n", "must have identity and collections"),
    ("- identity: pilot\n  collections: ['*']\n", "must begin with spiffe://"),
    (f"- identity: {PILOT}\n  collections: all\n", "must be a list of names"),
    (f"- identity: {PILOT}\n  collections: [nothing]\n", "no collection 'nothing'"),
    (f"isBlackList: often\nallowed: [{PILOT}]\n", "must be true or false"),
    ("allowed: [1]\n", "a list of identities"),
    ("something: else\n", "neither"),
]


@pytest.mark.parametrize(("text", "granted"), ACCESS_FILES)
def test_access_files(tmp_path: Path, text: str, granted: dict[str, set[str]]) -> None:
    (tmp_path / "access.yaml").write_text(text)
    assert read_access_file(tmp_path / "access.yaml").granted == granted


@pytest.mark.parametrize(("text", "words"), BAD_ACCESS_FILES)
def test_bad_access_files(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "access.yaml").write_text(text)
    with pytest.raises(AccessFileError, match=words):
        read_access_file(tmp_path / "access.yaml")


def test_a_black_list_of_1_4(tmp_path: Path) -> None:
    (tmp_path / "access.yaml").write_text(f"IsBlackList: true\nAllowed: [{STRANGER}]\n")
    access = read_access_file(tmp_path / "access.yaml")
    assert (access.knows(PILOT), access.allows(PILOT, SIDECARS)) == (True, True)
    assert not any(access.knows(caller) or access.allows(caller, SIDECARS) for caller in (STRANGER, ""))


def test_a_missing_access_file(tmp_path: Path) -> None:
    with pytest.raises(AccessFileError, match="cannot be read"):
        read_access_file(tmp_path / "none")


def test_what_is_not_granted_is_refused() -> None:
    assert GRANTED.allows(PILOT, GATEWAYS)
    assert not GRANTED.allows(PILOT, SIDECARS)
    assert not GRANTED.allows(STRANGER, GATEWAYS)
    assert AccessList({PILOT: frozenset({"*"})}).allows(PILOT, SIDECARS)

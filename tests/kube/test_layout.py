"""Names and keys: which cluster is meant, and when something must be made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kube.cluster.cache import key_of
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.layout import layout_of


@pytest.mark.parametrize("name", ["a", "pilot", "test-2", "x" * 20])
def test_a_name_is_a_cluster(name: str) -> None:
    assert layout_of(name).folder.name == f"flotilla-kube-{name}"
    assert layout_of(name).cgroup == f"flotilla-kube-{name}"


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a-", "x" * 21, "../x", "a b"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot name a cluster"):
        layout_of(name)


def test_a_variable_names_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOTILLA_CLUSTER", "mine")
    assert layout_of().name == "mine"
    assert layout_of("other").name == "other"


def test_a_socket_s_path_fits_into_what_the_kernel_takes() -> None:
    assert len(str(layout_of("x" * 20).containerd_socket) + ".ttrpc") < 108


def test_a_key_changes_with_words_names_and_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("b")
    keys = {
        key_of([one]),
        key_of([two]),
        key_of([one, two]),
        key_of([one], "w"),
        key_of([], "w"),
        key_of([], "w", ""),
        key_of([], "", "w"),
    }
    assert len(keys) == 7
    assert key_of([two, one]) == key_of([one, two])
    before = key_of([one])
    one.write_text("c")
    assert key_of([one]) != before

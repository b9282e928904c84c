"""The tests of this folder that are marked `kube` share one cluster.

It is the one that runs (`make cluster`), or it is started before the first test and ended after the last. Where a machine cannot
hold one, those tests are skipped and say why; on CI (CI=true) they are never skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.kube.cluster.client import Cluster
from tests.kube.cluster.control import down, is_whole, up
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.layout import layout_of
from tests.kube.cluster.machine import why_not
from tests.kube.cluster.node import Node
from tests.kube.cluster.report import Report

_CI = os.environ.get("CI") == "true"


def _needing(items: list[pytest.Item]) -> list[pytest.Item]:
    return [item for item in items if item.get_closest_marker("kube")]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _needing(items) and not _CI and (why := why_not()):
        for item in _needing(items):
            item.add_marker(pytest.mark.skip(reason=why))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Starting may take long, building what it needs even minutes: outside of any test and its time limit."""
    needing = [item for item in _needing(session.items) if not item.get_closest_marker("skip")]
    if not needing or session.config.option.collectonly:
        return
    layout = layout_of()
    kept = is_whole(layout)
    try:
        with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            up(layout, Report())
    except ClusterError as error:
        down(layout, Report())
        pytest.exit(f"no cluster for the tests: {error}", returncode=1)
    if not kept:
        session.config.add_cleanup(lambda: down(layout, Report()))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster, running. Images are not in it before `cluster.images(...)`."""
    return Cluster(Node(layout_of()))


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, deleted after it, in the background."""
    name = f"test-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")

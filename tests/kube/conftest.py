"""The tests of this folder that are marked `kube` share one cluster.

It is the one that runs (`make cluster`), or it is started before the first test and ended after the last. Where a machine cannot
hold one, those tests are skipped and say why; on CI (CI=true) they are never skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from flotilla_cli.demo.traffic import Traffic
from tests.kube.bookinfo import Bookinfo
from tests.kube.cluster.client import Cluster
from tests.kube.cluster.control import down, is_whole, up
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.layout import layout_of
from tests.kube.cluster.machine import why_not
from tests.kube.cluster.node import Node
from tests.kube.cluster.report import Report
from tests.kube.flotilla import NAMESPACE as MESH
from tests.kube.flotilla import Flotilla, until

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


@pytest.fixture(scope="session")
def alone(cluster: Cluster) -> None:
    """No installation is there, as one may be from an earlier run: its Citadel would write its root into every namespace."""
    if "flotilla" in cluster.helm("list", "-q", "-n", MESH).split():
        Flotilla(cluster).uninstall()


@pytest.fixture(scope="session")
def installation(cluster: Cluster) -> Flotilla:
    """The charts, installed, with all images in the cluster."""
    cluster.images()
    found = Flotilla(cluster)
    found.install()
    return found


@pytest.fixture
def flotilla(installation: Flotilla) -> Flotilla:
    """The installation, whole: what an earlier test took away is there again."""
    installation.heal()
    return installation


@pytest.fixture(scope="session")
def bookinfo_module(installation: Flotilla) -> Bookinfo:
    """Bookinfo, started once; tests that change the mesh ask for `bookinfo`."""
    found = Bookinfo(installation)
    found.start()
    return found


@pytest.fixture
def bookinfo(bookinfo_module: Bookinfo, flotilla: Flotilla) -> Bookinfo:
    """Bookinfo in a whole mesh. No Envoy may have refused anything."""
    until(lambda: "Error fetching" not in bookinfo_module.page().text, "the page with all its parts")
    return bookinfo_module


@pytest.fixture
def traffic(bookinfo: Bookinfo) -> Iterator[Traffic]:
    """Somebody reads the page all the while; none of the requests may fail."""
    with bookinfo.cluster.network():
        traffic = bookinfo.traffic().__enter__()
    try:
        yield traffic
        assert traffic.wait_for_more(3), "traffic has come to a stop"
    finally:
        traffic.__exit__(None, None, None)
    assert traffic.failures == []


@pytest.fixture(scope="session")
def outsider(cluster: Cluster, installation: Flotilla) -> Iterator[str]:
    """A pod in a namespace that has nothing to do with the mesh."""
    name = "outsider"
    cluster.kubectl("delete", "pod", name, "--ignore-not-found", "--now")
    cluster.kubectl(
        "run",
        name,
        "--image=localhost/flotilla/bookinfo:test",
        "--image-pull-policy=Never",
        "--command",
        "--",
        "sleep",
        "86400",
    )
    cluster.wait(f"pod/{name}")
    yield name
    cluster.kubectl("delete", "pod", name, "--now", "--wait=false")

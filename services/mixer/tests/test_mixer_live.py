"""Workloads and Services of a cluster: found by address and principal, while addresses come, go and are used again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.attributes.live import LiveServices, LiveWorkloads
from flotilla_mixer.attributes.services import Service, ServiceIndex, cluster_service
from flotilla_mixer.attributes.view import ClusterView, MeshView, mesh_view
from flotilla_mixer.attributes.workloads import Workload, WorkloadFacts

DOMAIN = "cluster.local"


def workload(
    name: str, *addresses: str, account: str = "reviews", since: float | None = 1.0, **more: object
) -> Workload:
    facts = {"namespace": "default", "labels": {"app": "reviews"}, "owner": "o", "workload": "w"} | more
    return Workload(WorkloadFacts(name, addresses=addresses, account=account, since=since, **facts), DOMAIN)


def principal(account: str) -> str:
    return f"{DOMAIN}/ns/default/sa/{account}"


def view_of(*workloads: Workload) -> MeshView:
    cluster = ClusterView()
    for each in workloads:
        cluster.workloads.put((each.namespace, each.name), each, 0.0)
    return mesh_view((), (), DOMAIN, cluster)


SHARED = {"shared": True, "since": None}
FOUND = [
    # who is there, the caller's account, who it is, whether a caller from there should be a workload
    ([workload("a", "10.0.0.1")], "reviews", "a", True),
    ([workload("a", "10.0.0.1")], "ratings", None, True),
    ([workload("a", "10.0.0.2", "10.0.0.1")], "reviews", "a", True),  # every address of a dual-stack Pod
    ([workload("a", "10.0.0.9")], "reviews", None, False),
    ([workload("old", "10.0.0.1"), workload("new", "10.0.0.1", since=2.0)], "reviews", "new", True),
    ([workload("new", "10.0.0.1", since=2.0), workload("old", "10.0.0.1")], "reviews", "new", True),  # told late
    ([workload("old", "10.0.0.1"), workload("new", "10.0.0.1", account="x", since=2.0)], "reviews", "old", True),
    ([workload("a", "10.0.0.1", **SHARED)], "reviews", "a", False),  # alone of its principal on the node
    ([workload("a", "10.0.0.1", **SHARED)], "ratings", None, False),
    ([workload("a", "10.0.0.1", **SHARED), workload("b", "10.0.0.1", **SHARED)], "reviews", None, False),
    ([workload("a", "10.0.0.1", **SHARED), workload("b", "10.0.0.1", account="b", **SHARED)], "b", "b", False),
]


@pytest.mark.parametrize(("there", "account", "name", "expected"), FOUND)
def test_a_pod_is_believed_by_address_and_principal(there, account, name, expected):
    view = view_of(*there)
    found = view.believed("10.0.0.1", principal(account))
    assert (found.name if found else None) == name
    assert view.expected("10.0.0.1") is expected


def test_a_pod_moves_ends_and_is_remembered_for_a_moment():
    live = LiveWorkloads(linger_seconds=30.0)
    view = MeshView(cluster=ClusterView(live))
    key, caller = ("default", "a"), principal("reviews")

    def who(address: str) -> str | None:
        found = view.believed(address, caller)
        return found.name if found else None

    live.put(key, workload("a"), 0.0)  # pending: it has no address
    assert (who("10.0.0.1"), len(view)) == (None, 1)
    live.put(key, workload("a", "10.0.0.1"), 1.0)
    assert who("10.0.0.1") == "a"
    live.put(key, workload("a", "10.0.0.2"), 2.0)  # a StatefulSet's next Pod of this name
    assert (who("10.0.0.1"), who("10.0.0.2"), len(view)) == ("a", "a", 1)
    live.remove(key, 3.0)
    live.remove(key, 3.0)  # told twice
    assert (len(view), view.at("10.0.0.2"), view.expected("10.0.0.2")) == (0, (), False)
    assert who("10.0.0.2") == "a"  # what it did is still being told
    live.put(("default", "b"), workload("b", "10.0.0.2", account="other"), 4.0)
    assert who("10.0.0.2") == "a"  # with its own certificate, although another has the address
    live.remove(("default", "b"), 33.5)  # 30 s after a left
    assert (who("10.0.0.1"), who("10.0.0.2")) == (None, None)


def test_what_did_not_leave_is_not_remembered_as_gone():
    live = LiveWorkloads()
    for labels in ({}, {"a": "b"}):
        live.put(("default", "a"), workload("a", "10.0.0.1", labels=labels), 0.0)
    assert live.lately_at("10.0.0.1") == ()


def test_a_pod_in_the_nodes_network_is_forgotten_at_once():
    """Its address goes on to be many others'."""
    view = view_of(workload("a", "10.0.0.1", **SHARED))
    view.cluster.workloads.remove(("default", "a"), 0.0)
    assert view.believed("10.0.0.1", principal("reviews")) is None


def test_the_memory_of_the_gone_is_bounded():
    live = LiveWorkloads(linger_most=3)
    for number in range(10):
        live.put(("default", f"p{number}"), workload(f"p{number}", f"10.0.0.{number}"), 0.0)
        live.remove(("default", f"p{number}"), 0.0)
    assert [number for number in range(10) if live.lately_at(f"10.0.0.{number}")] == [7, 8, 9]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.none() | st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]), unique=True, max_size=2),
        st.sampled_from(["reviews", "ratings"]),
        st.booleans(),
    ),
    max_size=30,
)


@given(CHANGES)
def test_the_index_is_what_the_last_change_of_each_pod_says(changes):
    """However they come, only the newest word of each Pod counts."""
    live, latest = LiveWorkloads(), {}
    for now, (name, addresses, account, shared) in enumerate(changes):
        key = ("default", name)
        if addresses is None:
            live.remove(key, float(now))
            latest.pop(key, None)
        else:
            since = None if shared else float(now)
            latest[key] = workload(name, *addresses, account=account, since=since, shared=shared)
            live.put(key, latest[key], float(now))
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        assert {id(each) for each in live.at(address)} == {id(w) for w in latest.values() if address in w.addresses}
    assert {id(each) for each in live.all()} == {id(each) for each in latest.values()}
    assert set(live._by_address) == {address for each in latest.values() for address in each.addresses}


SELECTED = [
    # the Service's name and namespace, its selector, whether the workload serves it
    ("reviews", "default", {"app": "reviews"}, True),
    ("reviews", "default", {"app": "reviews", "version": "v1"}, False),
    ("reviews", "other", {"app": "reviews"}, False),
    ("external", "default", {}, False),  # no selector selects nobody
]


@pytest.mark.parametrize(("name", "namespace", "selector", "serves"), SELECTED)
def test_a_service_is_its_selector(name, namespace, selector, serves):
    services = LiveServices()
    services.put(cluster_service(name, namespace, DOMAIN, selector))
    view = MeshView(cluster=ClusterView(services=services))
    host = f"{name}.{namespace}.svc.{DOMAIN}"
    found = view.served(host, workload("a", "10.0.0.1"))
    assert (found is not None) is serves
    if found:
        assert found.attributes == {
            "destination.service.host": host,
            "destination.service.name": name,
            "destination.service.namespace": namespace,
            "destination.service.uid": f"istio://{namespace}/services/{name}",
        }
    services.remove(host)
    services.remove(host)
    assert view.served(host, workload("a", "10.0.0.1")) is None


def test_attributes_are_made_once_and_labels_only_where_there_are_some():
    bare = workload("a", "10.0.0.1", labels={})
    assert bare.source is bare.source
    assert "source.labels" not in bare.source
    assert workload("b", "10.0.0.1").destination["destination.labels"] == {"app": "reviews"}


def test_a_kubernetes_service_beats_an_entry_of_its_host():
    host, services = f"reviews.default.svc.{DOMAIN}", LiveServices()
    entry = Service(host, "default", {"app": "reviews"}, frozenset(), {"of": "the entry"})
    view = MeshView(services=ServiceIndex([entry]), cluster=ClusterView(services=services))
    one = workload("a", "10.0.0.1")
    assert view.served(host, one) is entry
    services.put(cluster_service("reviews", "default", DOMAIN, {"app": "other"}))
    assert view.served(host, one) is entry  # the Service does not select it
    services.put(cluster_service("reviews", "default", DOMAIN, {"app": "reviews"}))
    assert view.served(host, one) is services.of(host)[0]

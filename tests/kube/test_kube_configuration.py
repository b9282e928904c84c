"""Configuration applied with kubectl takes effect; what is broken is refused by the API server, with field and reason."""

from __future__ import annotations

import json

import pytest

from tests.kube.bookinfo import FOLDER, NAMESPACE, Bookinfo
from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(240)]

BROKEN = {
    "a route without host": (
        "networking.istio.io/v1",
        "VirtualService",
        {"hosts": ["reviews"], "http": [{"route": [{"destination": {"subset": "v1"}}]}]},
        r"spec\.http\[0\]\.route\[0\]\.destination\.host",
    ),
    "a regular expression that is none": (
        "networking.istio.io/v1",
        "VirtualService",
        {"hosts": ["reviews"], "http": [{"match": [{"uri": {"regex": "["}}], "route": [{"destination": {"host": "reviews"}}]}]},
        r"spec\.http\[0\]\.match\[0\]\.uri",
    ),
    "a port beyond all ports": (
        "networking.istio.io/v1",
        "Gateway",
        {"selector": {"istio": "ingressgateway"}, "servers": [{"port": {"number": 70000, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]},
        r"spec\.servers\[0\]\.port",
    ),
    "an expression that does not end": (
        "config.istio.io/v1alpha2",
        "rule",
        {"match": 'source.labels["app"', "actions": [{"handler": "closed", "instances": ["ask"]}]},
        r"spec\.match",
    ),
}  # fmt: skip


def test_a_route_is_applied_and_its_acknowledgement_is_in_its_status(bookinfo: Bookinfo) -> None:
    bookinfo.configure("reviews-jason-v2")
    try:
        until(lambda: set(bookinfo.versions(4, "jason")) == {"v2"}, "reviews v2 for jason")
        assert "v2" not in bookinfo.versions(12)
        status = until(lambda: accepted(bookinfo, "virtualservice/reviews"), "the status of the route")
        assert (
            status["observedGeneration"]
            == bookinfo.cluster.get("virtualservice/reviews", NAMESPACE)["metadata"]["generation"]
        )
    finally:
        bookinfo.forget("reviews-jason-v2")


def accepted(bookinfo: Bookinfo, what: str) -> dict[str, object] | None:
    """The object's status once it says that all proxies have it."""
    status = bookinfo.cluster.get(what, NAMESPACE).get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    return status if conditions.get("Reconciled") == "True" else None


def test_mixer_denies_over_http(bookinfo: Bookinfo) -> None:
    bookinfo.configure("reviews-jason-v2")
    bookinfo.configure("deny-ratings")
    try:
        until(
            lambda: "Ratings service is currently unavailable" in text(bookinfo, "jason"),
            "ratings denied to reviews v2",
        )
    finally:
        bookinfo.forget("deny-ratings")
    try:
        until(lambda: "Ratings service is currently unavailable" not in text(bookinfo, "jason"), "ratings given again")
    finally:
        bookinfo.forget("reviews-jason-v2")


def text(bookinfo: Bookinfo, name: str) -> str:
    with bookinfo.cluster.network():
        reader = bookinfo.reader(name)
        try:
            return reader.page().text
        finally:
            reader.close()


def test_mixer_denies_over_tcp(bookinfo: Bookinfo) -> None:
    ratings = bookinfo.pod("ratings")
    asked = "http://127.0.0.1:9080/ratings/0"
    assert bookinfo.ask(ratings, asked, "ratings").startswith("200")
    bookinfo.configure("deny-store")
    try:
        until(lambda: bookinfo.ask(ratings, asked, "ratings").startswith("503"), "the store denied")
    finally:
        bookinfo.forget("deny-store")
    until(lambda: bookinfo.ask(ratings, asked, "ratings").startswith("200"), "the store given again")


def test_without_strict_mtls_plain_text_comes_in(bookinfo: Bookinfo, outsider: str) -> None:
    code = "import sys,urllib.request as u; print(u.urlopen(sys.argv[1],timeout=5).status)"
    url = f"http://details.{NAMESPACE}:9080/details/0"
    ask = lambda: bookinfo.cluster.exec(outsider, "python", "-c", code, url, namespace="default").strip()  # noqa: E731
    with pytest.raises(ClusterError):
        ask()
    bookinfo.forget("peer-authentication")
    try:
        until(lambda: ask() == "200", "plain text accepted")
    finally:
        bookinfo.configure("peer-authentication")

    def refused() -> bool:
        try:
            return not ask()
        except ClusterError:
            return True

    until(refused, "plain text refused again")


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_with_field_and_reason(bookinfo: Bookinfo, name: str) -> None:
    version, kind, spec, field = BROKEN[name]
    item = {"apiVersion": version, "kind": kind, "metadata": {"name": "broken", "namespace": NAMESPACE}, "spec": spec}
    with pytest.raises(ClusterError, match=field):
        bookinfo.cluster.kubectl("apply", "-f", "-", given=json.dumps(item))


def test_a_dry_run_is_judged_and_changes_nothing(bookinfo: Bookinfo) -> None:
    file = str(FOLDER / "istio" / "reviews-v3.yaml")
    assert "server dry run" in bookinfo.cluster.kubectl("apply", "-n", NAMESPACE, "--dry-run=server", "-f", file)
    with pytest.raises(ClusterError, match="not found"):
        bookinfo.cluster.get("virtualservice/reviews", NAMESPACE)


def test_no_envoy_has_refused_anything(bookinfo: Bookinfo) -> None:
    assert bookinfo.flotilla.rejections() == 0

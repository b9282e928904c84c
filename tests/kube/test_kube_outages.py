"""Each service is taken away in turn: what goes on and what stops, as docs/reference/outages.md tells it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

import pytest

from flotilla_cli.demo.traffic import Traffic
from tests.kube.bookinfo import NAMESPACE, Bookinfo
from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import NAMESPACE as MESH
from tests.kube.flotilla import ROOT, SERVICES, until
from tests.kube.test_kube_scaling import known, serving

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400)]

PAGE = ROOT / "docs" / "reference" / "outages.md"
COMMAND = "FLOTILLA_REWRITE=1 make kube-test ARGS=tests/kube/test_kube_outages.py"
ENOUGH = 15.0  # seconds in which what works has happened
NEVER = 6.0  # and in which what does not happen has not; in a whole mesh each of these takes below two
VERSIONS = 15  # pages: unrouted, all of them show one version once in 5 million looks
DRAINED = 90.0  # an Envoy drains for 45
FAIL_OPEN = ("--set", "meshConfig.policyCheckFailOpen=true")
BEGIN, END = "<!-- observed: begin -->", "<!-- observed: end -->"


def happens(look: Callable[[], object], seconds: float) -> bool:
    """Whether it comes about in that time."""
    try:
        until(look, "it", seconds)
    except ClusterError:
        return False
    return True


class Observer:
    """What can be seen of a mesh that lacks a service. `seconds` is how long each thing gets to happen."""

    def __init__(self, bookinfo: Bookinfo, plain: str, traffic: Traffic) -> None:
        self.bookinfo, self.cluster = bookinfo, bookinfo.cluster
        self.plain, self.traffic = plain, traffic

    def running_calls(self) -> str:
        before = len(self.traffic.failures)
        more = self.traffic.wait_for_more(10)
        return "go on" if more and len(self.traffic.failures) == before else "fail"

    def new_pod_in_the_mesh(self) -> str:
        said = self._pod(NAMESPACE, "newcomer")
        if said is not None:
            return "refused by the API server" if "failed calling webhook" in said else said
        return "joins" if happens(lambda: self._ready(NAMESPACE, "newcomer"), ENOUGH) else "waits for its certificate"

    def new_pod_elsewhere(self) -> str:
        said = self._pod(self.plain, "newcomer")
        return (
            "starts"
            if said is None and happens(lambda: self._ready(self.plain, "newcomer"), ENOUGH)
            else "does not start"
        )

    def change_of_configuration(self) -> str:
        try:
            self.bookinfo.configure("reviews-v3")
        except ClusterError as error:
            return "refused by the API server" if "failed calling webhook" in str(error) else str(error)
        done = happens(
            lambda: set(self.bookinfo.versions(VERSIONS)) == {"v3"}, ENOUGH if self._pilot_is_there else NEVER
        )
        return "takes effect" if done else "accepted, waits"

    @property
    def _pilot_is_there(self) -> bool:
        return bool(self.bookinfo.flotilla.pods("pilot"))

    def _pod(self, namespace: str, name: str) -> str | None:
        """Makes a pod; gives what was said instead."""
        container = {
            "name": "app",
            "image": "localhost/flotilla/bookinfo:test",
            "imagePullPolicy": "Never",
            "command": ["python", "-m", "http.server", "8000"],
        }
        item = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
        try:
            self.cluster.kubectl("apply", "-f", "-", given=json.dumps(item))
        except ClusterError as error:
            return str(error)
        return None

    def _ready(self, namespace: str, name: str) -> bool:
        conditions = self.cluster.get(f"pod/{name}", namespace)["status"].get("conditions", [])
        return {each["type"]: each["status"] for each in conditions}.get("Ready") == "True"

    def clean(self) -> None:
        for namespace in (NAMESPACE, self.plain):
            self.cluster.kubectl(
                "delete", "pod", "newcomer", "-n", namespace, "--ignore-not-found", "--force", "--grace-period=0"
            )


ROWS: dict[str, Callable[[Observer], str]] = {
    "calls between running pods": Observer.running_calls,
    "a new pod of a labelled namespace": Observer.new_pod_in_the_mesh,
    "a new pod of another namespace": Observer.new_pod_elsewhere,
    "a change of configuration": Observer.change_of_configuration,
}


@pytest.fixture(scope="module")
def observed() -> Iterator[dict[str, dict[str, str]]]:
    """Service -> row -> what was seen; compared with the page at the end."""
    found: dict[str, dict[str, str]] = {}
    yield found
    if set(found) == set(SERVICES) and os.environ.get("FLOTILLA_REWRITE"):
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table(found)}{END}{rest.partition(END)[2]}")


def table(found: dict[str, dict[str, str]]) -> str:
    head = "".join(f" {service.capitalize()} |" for service in SERVICES)
    lines = [f"| without |{head}", "|---|" + "---|" * len(SERVICES)]
    lines += [f"| {row} |" + "".join(f" {found[service][row]} |" for service in SERVICES) for row in ROWS]
    return "\n".join(lines) + "\n"


def told(service: str) -> dict[str, str]:
    """What the page says of one service."""
    block = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in block.splitlines() if line.startswith("| ")
    ]
    column = rows[0].index(service.capitalize())
    return {row[0]: row[column] for row in rows[1:]}


@pytest.mark.parametrize("service", SERVICES)
def test_without_a_service(
    bookinfo: Bookinfo, namespace: str, traffic: Traffic, service: str, observed: dict[str, dict[str, str]]
) -> None:
    """Mixer is asked to let calls pass where it does not answer; that it may also stop them is a test of its own."""
    flotilla = bookinfo.flotilla
    if service == "mixer":
        fail_open(bookinfo)
    observer = Observer(bookinfo, namespace, traffic)
    flotilla.remove(service)
    try:
        observed[service] = {row: look(observer) for row, look in ROWS.items()}
    finally:
        observer.clean()
        if service == "mixer":  # it has to be back before anybody is to ask it again
            flotilla.install(*FAIL_OPEN)
        flotilla.install()
        bookinfo.forget("reviews-v3")
    assert traffic.wait_for_more(5)
    if not os.environ.get("FLOTILLA_REWRITE"):
        assert observed[service] == told(service), (
            f"docs/reference/outages.md tells otherwise; to rewrite it: {COMMAND}"
        )


def fail_open(bookinfo: Bookinfo) -> None:
    """Calls pass where Mixer does not answer: every proxy has heard of it when this returns, and has no connection left
    that began before, for those keep what they began with until Envoy has drained them.
    """
    bookinfo.flotilla.install(*FAIL_OPEN)
    found = bookinfo.cluster.get("pods", NAMESPACE)["items"]
    pods = [(each["metadata"]["name"], NAMESPACE) for each in found if "deletionTimestamp" not in each["metadata"]]
    for name, namespace in (*pods, (bookinfo.flotilla.pods("ingressgateway")[0], MESH)):
        until(
            lambda pod=name, place=namespace: (
                '"failure_mode_allow": true' in admin(bookinfo, pod, place, "config_dump")
            ),
            f"{name} to let calls pass",
        )
        until(lambda pod=name, place=namespace: drained(bookinfo, pod, place), f"{name} to have drained", DRAINED)


def drained(bookinfo: Bookinfo, pod: str, namespace: str) -> bool:
    """Whether no connection is served by a listener or filter chain that has been replaced."""
    lines = admin(bookinfo, pod, namespace, r"stats?filter=listener_manager\.total_.*_draining").splitlines()
    return len(lines) == 2 and all(line.endswith(": 0") for line in lines)


def admin(bookinfo: Bookinfo, pod: str, namespace: str, page: str) -> str:
    """A page of a proxy's Envoy."""
    code = f"import urllib.request as u; print(u.urlopen({f'http://127.0.0.1:15000/{page}'!r}).read().decode())"
    return bookinfo.cluster.exec(pod, "python", "-c", code, namespace=namespace, container="istio-proxy").strip()


def test_without_pilot_new_endpoints_are_unknown_until_it_is_back(bookinfo: Bookinfo) -> None:
    flotilla = bookinfo.flotilla
    flotilla.remove("pilot")
    try:
        flotilla.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/details-v1", "--replicas=0")
        until(lambda: not serving(bookinfo, "details"), "no endpoint in the cluster")
        assert known(bookinfo, "details"), "the proxies keep what they knew"
    finally:
        # Pilot first: without injection no pod is made, and Kubernetes waits longer before each new attempt.
        flotilla.install()
        flotilla.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/details-v1", "--replicas=1")
    flotilla.cluster.rollout("deployment/details-v1", NAMESPACE, "120s")
    until(lambda: known(bookinfo, "details") == serving(bookinfo, "details") != set(), "the proxies to catch up")


def test_without_mixer_policy_fails_closed_where_the_mesh_says_so(bookinfo: Bookinfo) -> None:
    flotilla = bookinfo.flotilla
    flotilla.remove("mixer")
    try:
        until(lambda: bookinfo.page().status_code != 200, "calls to be refused")
    finally:
        flotilla.install()
    until(lambda: bookinfo.page().status_code == 200, "calls to pass again")


def test_a_pod_without_citadel_says_why_it_waits(bookinfo: Bookinfo, namespace: str) -> None:
    """In the place where an operator looks first: the container's log, and the probe's message in `kubectl describe`."""
    cluster, flotilla = bookinfo.cluster, bookinfo.flotilla
    cluster.kubectl("label", "namespace", namespace, "istio-injection=enabled")
    flotilla.remove("citadel")
    try:
        cluster.kubectl(
            "run",
            "late",
            "-n",
            namespace,
            "--image=localhost/flotilla/bookinfo:test",
            "--image-pull-policy=Never",
            "--command",
            "--",
            "sleep",
            "60",
        )
        until(
            lambda: "istio-citadel" in cluster.kubectl("logs", "late", "-n", namespace, "-c", "istio-proxy"),
            "the log to name Citadel",
        )
        until(
            lambda: "probe failed" in cluster.kubectl("describe", "pod", "late", "-n", namespace).lower(),
            "the event of the probe",
        )
    finally:
        flotilla.install()
    cluster.wait("pod/late", namespace=namespace, patience="90s")

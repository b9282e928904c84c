"""Galley's webhook away, under each failurePolicy that the chart offers: what a change of configuration meets.

As docs/reference/outages.md tells it. The API server is a true one, and so is Helm, whose server-side apply shares the field
with Galley.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import CHARTS, NAMESPACE, VALUES, Flotilla, until
from tests.kube.test_galley import BAD, GOOD, WRONG, route

pytestmark = [pytest.mark.kube, pytest.mark.timeout(600)]

CONFIGURATION = "validatingwebhookconfiguration/istio-galley"
WEBHOOK, ROOT_WEBHOOK = "validation.istio.io", "root.validation.istio.io"
AWAY = f'failed calling webhook "{WEBHOOK}"'


def chosen(policy: str) -> tuple[str, ...]:
    """To Ignore by force: where it was Proven before, the field is Galley's, too."""
    forced = ("--force-conflicts",) if policy == "Ignore" else ()
    return "--set", f"galley.webhook.failurePolicy={policy}", *forced


def policies(flotilla: Flotilla) -> dict[str, str]:
    """What the API server has: the name of each webhook and its failurePolicy."""
    return {each["name"]: each["failurePolicy"] for each in flotilla.cluster.get(CONFIGURATION)["webhooks"]}


@contextmanager
def installed(flotilla: Flotilla, policy: str) -> Iterator[None]:
    """The chart with this policy; afterwards with its own again."""
    try:
        flotilla.install(*chosen(policy))
        yield
    finally:
        flotilla.install()


def said(flotilla: Flotilla, namespace: str, name: str, spec: dict[str, object]) -> str:
    """What the API server says against an object; empty where it takes it."""
    try:
        flotilla.cluster.apply(route(spec, name), namespace=namespace)
    except ClusterError as error:
        return str(error)
    return ""


def is_judged(flotilla: Flotilla, namespace: str) -> bool:
    """Whether the API server asks Galley: a Service's rules follow its pods a moment later."""
    return WRONG in said(flotilla, namespace, "asked", BAD)


def status_of(flotilla: Flotilla, namespace: str, name: str) -> str:
    found = flotilla.cluster.get(f"virtualservice/{name}", namespace).get("status", {}).get("conditions", [])
    return {each["type"]: each["reason"] for each in found}.get("PassedValidation", "")


@pytest.mark.parametrize(("policy", "refuses"), [("Ignore", False), ("Fail", True), ("Proven", True)])
def test_galley_away(flotilla: Flotilla, namespace: str, policy: str, refuses: bool) -> None:
    with installed(flotilla, policy):
        until(lambda: (policies(flotilla)[WEBHOOK] == "Fail") == refuses, f"the policy of {policy}")
        assert policies(flotilla)[ROOT_WEBHOOK] == "Ignore"
        until(lambda: is_judged(flotilla, namespace), "Galley to be asked")
        assert said(flotilla, namespace, "before", GOOD) == ""
        flotilla.remove("galley")
        for name, spec in (("good", GOOD), ("bad", BAD)):
            answer = said(flotilla, namespace, name, spec)
            assert (AWAY in answer) == refuses, answer
            assert bool(answer) == refuses, answer
        flotilla.cluster.kubectl("delete", "virtualservice", "before", "-n", namespace)  # whatever the policy
        assert (
            said(flotilla, NAMESPACE, f"root-{policy.lower()}", GOOD) == ""
        )  # what the mesh itself needs is never stopped
        flotilla.cluster.kubectl("delete", "virtualservice", f"root-{policy.lower()}", "-n", NAMESPACE)
        flotilla.install(*chosen(policy))
        until(lambda: is_judged(flotilla, namespace), "Galley to be asked again")
        if not refuses:  # what was taken unjudged is judged now, and told where its author looks
            until(lambda: status_of(flotilla, namespace, "bad") == "Invalid", "the bad object to be told of")
            until(lambda: status_of(flotilla, namespace, "good") == "Valid", "the good one too")


def test_nobody_is_locked_out_before_galley_was_reached_however_often_the_chart_is_applied(
    flotilla: Flotilla, namespace: str
) -> None:
    """The first installation goes wrong and is tried again: Helm would leave out a field that the API server fills in with Fail."""
    flotilla.remove("galley")
    flotilla.cluster.kubectl("delete", CONFIGURATION)
    try:
        for _ in range(2):
            helm(flotilla, *chosen("Proven"), "--set", "galley.image=localhost/flotilla/none:none")
            assert policies(flotilla) == {WEBHOOK: "Ignore", ROOT_WEBHOOK: "Ignore"}
            assert said(flotilla, namespace, "early", BAD) == ""
        flotilla.install(*chosen("Proven"))
        until(lambda: policies(flotilla) == {WEBHOOK: "Fail", ROOT_WEBHOOK: "Ignore"}, "Galley to be called")
        until(lambda: is_judged(flotilla, namespace), "Galley to be asked")
        flotilla.install(*chosen("Proven"))
        assert policies(flotilla) == {WEBHOOK: "Fail", ROOT_WEBHOOK: "Ignore"}
    finally:
        flotilla.install()


def helm(flotilla: Flotilla, *given: str) -> None:
    """An upgrade that waits for nothing."""
    values = ("-n", NAMESPACE, "--take-ownership", "-f", str(VALUES), *given)
    flotilla.cluster.helm("upgrade", "--install", "flotilla", str(CHARTS["flotilla"]), *values)

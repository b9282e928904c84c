"""Every right is used and none is missing, as the API server's own audit log tells; and nobody reads what he should not.

The log holds all that the tests before these have caused, and what the fixture here adds. A role that loses a verb shows as a
refusal, and as a right of docs/reference/rights.md that nobody could use.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import yaml

from helm.generate.files import kinds_yaml
from tests.helm.test_helm_rights import documented
from tests.kube.bookinfo import Bookinfo
from tests.kube.cluster.client import Cluster
from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import NAMESPACE, SERVICES, Flotilla, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(120)]

USER = f"system:serviceaccount:{NAMESPACE}:istio-{{}}-service-account"
ACCOUNTS = (*SERVICES, "ingressgateway")
KINDS = Path(__file__).with_name("kinds.yaml")


class Right(NamedTuple):
    """One verb on one resource; `resource` with its subresource."""

    account: str
    group: str
    resource: str
    verb: str


def rights() -> list[Right]:
    """Each verb of each line of the documented table."""
    kinds = yaml.safe_load(kinds_yaml())
    found = set()
    for account, _, group, resources, _, verbs in documented():
        wide = resources.startswith("all kinds")
        suffix = "/status" if resources.endswith("status") else ""
        names = [f"{name}{suffix}" for name in kinds[group]] if wide else resources.split(", ")
        group = "" if group == "core" else group
        found |= {
            Right(account.removeprefix("istio-"), group, name, verb) for name in names for verb in verbs.split(", ")
        }
    return sorted(found)


@pytest.fixture(scope="module")
def audit(bookinfo_module: Bookinfo) -> list[dict[str, Any]]:
    """What the services' accounts have asked of the API server, and the answers, once each kind has had an object."""
    cluster = bookinfo_module.cluster
    namespace = f"kinds-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "-n", namespace, "-f", str(KINDS))
    missing = [right for right in rights() if right.verb == "patch" and right.resource.endswith("/status")]

    def told() -> bool:
        seen = {right_of(entry) for entry in read(cluster)}
        return seen.issuperset(missing)

    with contextlib.suppress(ClusterError):  # the tests say which is missing
        until(told, "the status of an object of every kind")
    cluster.kubectl("delete", "-n", namespace, "-f", str(KINDS), "--wait=false")
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    return read(cluster)


def read(cluster: Cluster) -> list[dict[str, Any]]:
    users = {USER.format(name) for name in ACCOUNTS}
    text = cluster.node.layout.audit.read_text()
    return [entry for entry in map(json.loads, lines(text)) if entry["user"]["username"] in users]


def lines(text: str) -> Iterator[str]:
    """Whole ones: the last may still be on its way."""
    yield from (line for line in text.splitlines(keepends=True) if line.endswith("\n"))


def right_of(entry: dict[str, Any]) -> Right:
    about = entry.get("objectRef", {})
    resource = "/".join(part for part in (about.get("resource", ""), about.get("subresource", "")) if part)
    account = entry["user"]["username"].rpartition(":")[2].removeprefix("istio-").removesuffix("-service-account")
    return Right(account, about.get("apiGroup", ""), resource, entry["verb"])


def code(entry: dict[str, Any]) -> int:
    return int(entry.get("responseStatus", {}).get("code", 0))


def test_no_service_was_refused_anything(audit: list[dict[str, Any]]) -> None:
    refused = {(right_of(entry), entry["requestURI"]) for entry in audit if code(entry) == 403 and not natural(entry)}
    assert not refused


def natural(entry: dict[str, Any]) -> bool:
    """A namespace on its way out takes nothing new; and an installation that was removed has no rights while its pods end."""
    status = entry.get("responseStatus", {})
    removed = entry["verb"] == "get" and entry.get("objectRef", {}).get("resource") == "leases"
    return removed or "being terminated" in status.get("message", "")


@pytest.mark.parametrize("right", rights(), ids=lambda right: f"{right.account}-{right.verb}-{right.resource}")
def test_a_right_is_used(audit: list[dict[str, Any]], right: Right) -> None:
    assert any(right_of(entry) == right and code(entry) < 400 for entry in audit), (
        f"{right.account} may {right.verb} {right.resource} and never did: take the verb from its role and from docs/reference/rights.md"
    )


@pytest.mark.parametrize("account", [name for name in ACCOUNTS if name != "citadel"])
@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_nobody_but_citadel_reads_secrets(flotilla: Flotilla, account: str, verb: str) -> None:
    for namespace in (NAMESPACE, "default", "kube-system"):
        assert not may(flotilla, account, verb, "secrets", namespace)


def test_citadel_reads_one_secret_and_no_other(flotilla: Flotilla) -> None:
    assert may(flotilla, "citadel", "get", "secrets/istio-ca-secret", NAMESPACE)
    assert not may(flotilla, "citadel", "get", "secrets", NAMESPACE)
    assert not may(flotilla, "citadel", "get", "secrets/istio-ca-secret", "default")


def may(flotilla: Flotilla, account: str, verb: str, what: str, namespace: str) -> bool:
    try:
        said = flotilla.cluster.kubectl("auth", "can-i", verb, what, "-n", namespace, f"--as={USER.format(account)}")
    except ClusterError as error:  # kubectl's exit code for `no` is 1
        said = str(error)
    return said.strip().endswith("yes")

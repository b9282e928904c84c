"""The API server: reachable, and of a version that the chart is for."""

from __future__ import annotations

import re

import msgspec

from flotilla_cli.health.cluster import Cluster
from flotilla_cli.health.finding import Check, Finding, Section, ok, problem
from flotilla_shared.runtime.kube.errors import KubeError, Unauthorized

LEAST = (1, 30)


async def reachable(cluster: Cluster) -> list[Finding]:
    server = cluster.client.connection.server
    try:
        answer = msgspec.json.decode(await cluster.client.request("GET", "/version"))
    except Unauthorized as error:
        return [
            problem(f"The API server {server} does not know you: {error}.", "Log in anew, or choose another --context.")
        ]
    except KubeError as error:
        return [problem(f"The API server cannot be reached: {error}.", "Choose another --kubeconfig or --context.")]
    return [ok(f"The API server {server} answers."), _version(str(answer.get("gitVersion", "")))]


def _version(text: str) -> Finding:
    found = re.match(r"v?(\d+)\.(\d+)", text)
    least = ".".join(map(str, LEAST))
    if found is None or (int(found[1]), int(found[2])) < LEAST:
        text = f"Kubernetes is {text or 'of an unknown version'}, and {least} is the oldest that will do."
        return problem(text, "Upgrade the cluster.")
    return ok(f"Kubernetes is {text}.")


SECTION = Section("Kubernetes API", [Check("the API server", reachable, fatal=True)])

"""`flotilla check`: exit code 0 when there is no problem, 1 when there is one."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from flotilla_cli.errors import CheckError
from flotilla_cli.health.cluster import Cluster
from flotilla_cli.health.finding import Finding, Section
from flotilla_cli.health.run import BEFORE, INSTALLED
from flotilla_cli.health.run import run as look
from flotilla_cli.health.show import as_json, healthy, lines, summary
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import ConnectionSettingsError, KubeConnection


def run(arguments: Namespace) -> int:
    client = KubeClient(connection(arguments.kubeconfig, arguments.context, os.environ), user_agent="flotilla-check")
    return asyncio.run(check(client, arguments))


def connection(kubeconfig: Path | None, context: str, environment: Mapping[str, str]) -> KubeConnection:
    """As kubectl finds it: the file that is named, the first of KUBECONFIG that is there, ~/.kube/config, or this pod's account.

    Raises CheckError.
    """
    named = [Path(each) for each in environment.get("KUBECONFIG", "").split(os.pathsep) if each]
    candidates = named or [Path(environment.get("HOME", "/")) / ".kube" / "config"]
    file = kubeconfig or next((each for each in candidates if each.is_file()), None)
    try:
        if file is not None:
            return KubeConnection.from_kubeconfig(file, context)
        if environment.get("KUBERNETES_SERVICE_HOST"):
            return KubeConnection.from_pod()
    except ConnectionSettingsError as error:
        raise CheckError(f"The cluster is not known: {error}.", "Name a kubeconfig file by --kubeconfig.") from error
    tried = ", ".join(map(str, candidates))
    raise CheckError(
        f"The cluster is not known: there is no kubeconfig file ({tried}).", "Name one by --kubeconfig or KUBECONFIG."
    )


async def check(client: KubeClient, arguments: Namespace) -> int:
    """Looks, prints as it goes, and gives the exit code."""
    await client.start()
    found: list[tuple[Section, list[Finding]]] = []
    try:
        cluster = Cluster(client, arguments.namespace, arguments.revision)
        async for section, findings in look(cluster, BEFORE if arguments.pre else INSTALLED):
            found.append((section, findings))
            if arguments.output != "json":
                for line in lines(section, findings, short=arguments.output == "short"):
                    print(line, flush=True)
    finally:
        await client.stop()
    everything = [each for _, findings in found for each in findings]
    print(as_json(found) if arguments.output == "json" else summary(everything))
    return 0 if healthy(everything) else 1

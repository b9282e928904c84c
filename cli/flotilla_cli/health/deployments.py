"""The four services: there, and as many pods ready as are wanted."""

from __future__ import annotations

from flotilla_cli.health.cluster import SERVICES, Cluster, Object
from flotilla_cli.health.finding import Check, Finding, Section, ok, problem, warning
from flotilla_shared.runtime.kube.resources import NAMESPACES

GATEWAY = "ingressgateway"


async def namespace(cluster: Cluster) -> list[Finding]:
    if await cluster.one(NAMESPACES, cluster.namespace) is None:
        mend = "Name the mesh's namespace by -n, or install the chart helm/flotilla."
        return [problem(f"There is no namespace {cluster.namespace}.", mend)]
    return [ok(f"The namespace {cluster.namespace} is there.")]


async def ready(cluster: Cluster) -> list[Finding]:
    looked = [(service, await cluster.deployment(service)) for service in (*SERVICES, GATEWAY)]
    there = [_judge(service, found, cluster.namespace) for service, found in looked if found is not None]
    absent = [service for service, found in looked if found is None and service != GATEWAY]
    return there + [_absent(service, cluster.namespace) for service in absent]


def _absent(service: str, namespace: str) -> Finding:
    if service == "mixer":
        text = "There is no Mixer: rules, quotas and metrics of requests have no effect."
        return warning(text, "Install with mixer.enabled=true, unless that is meant.")
    return problem(f"There is no Deployment istio-{service} in {namespace}.", "Install the chart helm/flotilla.")


def _judge(service: str, deployment: Object, namespace: str) -> Finding:
    status = deployment.get("status") or {}
    wanted, found = deployment["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    name = f"istio-{service}"
    if found >= wanted > 0:
        return ok(f"{name} is ready ({found} of {wanted} pods).")
    mend = f"See `kubectl -n {namespace} get pods -l istio={service}`; a pod's /readyz on port 15014 says what it waits for."
    text = f"{name} has {found} of {wanted} pods ready."
    return warning(text, mend) if found else problem(text, mend)


SECTION = Section("Control plane", [Check("the namespace", namespace, fatal=True), Check("the Deployments", ready)])

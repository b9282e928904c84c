"""Which clusters there are."""

from typing import Any

from flotilla_pilot.testing.recorded_clusters import (
    Pair,
    clusters_of,
    registered,
    rule,
    stated_object,
)


def patched(case: Any) -> Pair:
    efs = [{**rule("x"), "kind": "EnvoyFilter", "metadata": {"name": f"e{n}", "namespace": "istio-system"}, "spec": spec}
           for n, spec in enumerate(case.get("efs", ()))]  # fmt: skip
    for each in efs:
        each["apiVersion"] = "networking.istio.io/v1alpha3"
    return sorted(clusters_of([*registered([case["svc"]]), *efs])), sorted(case["want"])


def changed(case: Any) -> Pair:
    """None that is expected is missing, and none that is to be removed is there. Gateways have those that are used."""
    router = any(each["Meta"]["GroupVersionKind"]["Kind"] == "Gateway" for each in case.get("configs", ()))
    labels = {"istio": "ingressgateway"}
    home = (
        {"type": "router", "namespace": "foo", "labels": labels} if router else {"type": "sidecar", "namespace": "foo"}
    )
    documents = [*registered(case.get("services", ())), *map(stated_object, case.get("configs", ()))]
    found = clusters_of(documents, None, {"id": "a.foo", "ipAddresses": ["1.1.1.1"], **home})
    missing = [name for name in case["expectedClusters"] if name not in found]
    if router:
        missing = [name for name in missing if name == "BlackHoleCluster" or is_routed(name, case)]
    return (missing, [name for name in case.get("removedClusters") or () if name in found]), ([], [])


def is_routed(name: str, case: Any) -> bool:
    _, _, subset, host = name.split("|")
    specs = [each["Spec"] for each in case["configs"] if each["Meta"]["GroupVersionKind"]["Kind"] == "VirtualService"]
    ends = [each["destination"] for spec in specs for http in spec["http"] for each in http["route"]]
    return any(each["host"] == host and each.get("subset", "") == subset for each in ends)

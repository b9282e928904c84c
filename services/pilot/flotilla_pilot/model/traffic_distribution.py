"""What a Service says of whom its callers are to prefer."""

from collections.abc import Mapping

from flotilla_pilot.model.place import NETWORK, NODE, REGION, SUBZONE, ZONE

ANNOTATION = "networking.istio.io/traffic-distribution"
"""Of a Service, a ServiceEntry, or a whole namespace."""

SAME_ZONE = "PreferSameZone"
SAME_NODE = "PreferSameNode"
_WORDS = {"preferclose": SAME_ZONE, "prefersamezone": SAME_ZONE, "prefersamenode": SAME_NODE}

PRIORITIES: Mapping[str, tuple[str, ...]] = {
    SAME_ZONE: (NETWORK, REGION, ZONE),
    SAME_NODE: (NETWORK, REGION, ZONE, SUBZONE, NODE),
}
"""The labels by which callers and endpoints are compared, the first counting most."""


def traffic_distribution(
    stated: str | None, annotations: Mapping[str, str], of_namespace: Mapping[str, str] | None = None
) -> str:
    """SAME_ZONE, SAME_NODE, or nothing where any endpoint will do.

    `stated` is the Service's own field, which counts first; the annotation comes next, then the namespace's. Words that
    nobody knows are as none.
    """
    said = (stated or "", annotations.get(ANNOTATION, ""), (of_namespace or {}).get(ANNOTATION, ""))
    known = (_WORDS.get(each.lower(), "") for each in said)
    return next((each for each in known if each), "")

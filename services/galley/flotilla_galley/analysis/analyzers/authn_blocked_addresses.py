"""RequestAuthentications where nothing keeps the control plane from fetching keys anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mappings, text
from flotilla_galley.analysis.kinds import DEPLOYMENTS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import REQUEST_AUTHENTICATIONS

BLOCKED = "BLOCKED_CIDRS_IN_JWKS_URIS"
SHOWN = 5


def look(deployment: Resource, view: View) -> Iterator[Message]:
    """Told of each istiod that is without the setting."""
    policies = view.all(REQUEST_AUTHENTICATIONS)
    if policies and deployment.labels.get("app") == "istiod" and not _blocks(deployment):
        names = [each.full_name for each in policies]
        more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        objects = ", ".join(names[:SHOWN]) + more
        yield tell("JwksUriFetchUnrestricted", deployment, count=len(names), objects=objects)


def _blocks(deployment: Resource) -> bool:
    containers = mappings(deployment.value, "spec", "template", "spec", "containers")
    variables = [each for container in containers for each in mappings(container, "env")]
    return any(text(each, "name") == BLOCKED and text(each, "value") for each in variables)


ANALYZER = Analyzer(
    "authn.BlockedCIDRsAnalyzer",
    "whether istiod is kept from fetching keys anywhere",
    (REQUEST_AUTHENTICATIONS, DEPLOYMENTS),
    {DEPLOYMENTS: look},
)

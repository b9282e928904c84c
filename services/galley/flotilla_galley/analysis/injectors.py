"""What the ConfigMaps of injection say, by revision."""

from __future__ import annotations

import json
from typing import Any

from flotilla_galley.analysis.analyzer import View
from flotilla_galley.analysis.fields import at, flag, text
from flotilla_galley.analysis.kinds import CONFIG_MAPS

NAME = "istio-sidecar-injector"


def values_of(view: View, revision: str) -> Any:
    """The values of a revision's injection; None where there is no such ConfigMap. The analyzer must read CONFIG_MAPS."""
    return view.once(_by_name).get(NAME if revision in ("", "default") else f"{NAME}-{revision}")


def injects_by_default(view: View, revision: str) -> bool:
    """Whether namespaces without a label are injected, too."""
    return flag(values_of(view, revision), "sidecarInjectorWebhook", "enableNamespacesByDefault")


def proxy_image(values: Any) -> str:
    """The image that pods are given; "" where the values do not say."""
    image = text(values, "global", "proxy", "image")
    if "/" in image or not image:
        return image
    # A tag may be a number.
    return f"{text(values, 'global', 'hub')}/{image}:{at(values, 'global', 'tag')}"


def _by_name(view: View) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in view.all(CONFIG_MAPS):
        if each.name.startswith(NAME):
            try:
                found[each.name] = json.loads(text(each.value, "data", "values"))
            except ValueError:
                found[each.name] = {}
    return found

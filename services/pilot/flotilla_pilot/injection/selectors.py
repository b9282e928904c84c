"""Label selectors of the injector's configuration, as Kubernetes reads them."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla_pilot.injection.document import Json, listing, texts


def is_empty(selector: Json) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """An unknown operator matches nothing."""
    equal = all(labels.get(key) == value for key, value in texts(selector.get("matchLabels")).items())
    return equal and all(_holds(each, labels) for each in listing(selector.get("matchExpressions")))


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False

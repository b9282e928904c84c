"""An explanation as JSON, and read back from it."""

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla_pilot.offline.explain import Side, Step
from flotilla_shared.model.objects import ObjectKey

NOWHERE: Mapping[ObjectKey, str] = {}


def as_plain(sides: Iterable[Side], places: Mapping[ObjectKey, str] = NOWHERE) -> list[dict[str, Any]]:
    """A list of sides: `proxy`, `steps` (`what`, `name`, `detail`, `madeFrom`), `error`, `delivered`.

    `places` says where objects are written, which stands with them as `at`.
    """
    return [
        {
            "proxy": side.proxy,
            "steps": [_step(step, places) for step in side.steps],
            "error": side.error,
            "delivered": side.delivered,
        }
        for side in sides
    ]


def _step(step: Step, places: Mapping[ObjectKey, str]) -> dict[str, Any]:
    made_from = [
        {"collection": key.collection, "namespace": key.namespace, "name": key.name, "at": places.get(key, "")}
        for key in step.made_from
    ]
    return {"what": step.what, "name": step.name, "detail": step.detail, "madeFrom": made_from}


def from_plain(given: Iterable[Mapping[str, Any]]) -> tuple[Side, ...]:
    """The sides that `as_plain` wrote. Raises KeyError for anything else."""
    return tuple(
        Side(side["proxy"], tuple(map(_read_step, side["steps"])), side["error"], side["delivered"]) for side in given
    )


def _read_step(given: Mapping[str, Any]) -> Step:
    made_from = tuple(ObjectKey(each["collection"], each["namespace"], each["name"]) for each in given["madeFrom"])
    return Step(given["what"], given["name"], given["detail"], made_from)

"""The state of every object that Mixer judges."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla_mixer.configuration.authorization import judged_for
from flotilla_mixer.configuration.build import JUDGED, Configuration
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.streams.status import ObjectState


def object_states(
    configuration: Configuration, problems: Mapping[ObjectKey, tuple[Problem, ...]]
) -> dict[ObjectKey, ObjectState]:
    """What Mixer judges, and whatever else has a problem, each accepted unless a problem of it is an error.

    `problems` are those of the configuration and those that only building its handlers showed.
    """
    judged = JUDGED | judged_for(configuration.handlers.values())
    return {
        key: ObjectState(
            version=item.version,
            accepted=not any(each.severity == "error" for each in problems.get(key, ())),
            problems=problems.get(key, ()),
        )
        for key, item in configuration.objects.items()
        if key.collection in judged or key in problems
    }

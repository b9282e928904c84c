"""A file of cases, played: configuration as it is stated, under the settings of the control plane that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_cli.offline.configuration import stated_configuration
from flotilla_pilot.offline.cases import play_case, settings_of


def play(case: Mapping[str, Any], name: str) -> Iterator[dict[str, str]]:
    """A line for each of the case's calls. Raises BadCase, also for a setting that is not known here."""
    settings = settings_of(case.get("environment") or {})
    return play_case(case, stated_configuration(case.get("input") or {}, name).snapshot(settings))

"""What a configuration holds and what of it is at fault, by the names under which 1.4 counted it (`mixer/config`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flotilla_mixer.configuration.build import Configuration
from flotilla_mixer.configuration.written import LEGACY_HANDLERS, LEGACY_INSTANCES
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.metrics import ServiceMetrics

Problems = Mapping[ObjectKey, tuple[Problem, ...]]
HANDLERS = frozenset((kinds.HANDLERS, *LEGACY_HANDLERS))
INSTANCES = frozenset((kinds.INSTANCES, *LEGACY_INSTANCES))
RULES, ADAPTERS, TEMPLATES = frozenset((kinds.RULES,)), frozenset((kinds.ADAPTERS,)), frozenset((kinds.TEMPLATES,))


@dataclass(frozen=True, slots=True)
class Tellable:
    """What there is to count: a configuration, with the problems that building its handlers showed too."""

    configuration: Configuration
    problems: Problems

    def objects(self, collections: frozenset[str]) -> int:
        return sum(1 for key in self.configuration.objects if key.collection in collections)

    def errors(self, collections: frozenset[str], codes: Iterable[str] = ()) -> int:
        """Errors of objects of these collections; with `codes`, those alone."""
        wanted = frozenset(codes)
        return sum(
            1
            for key, found in self.problems.items()
            if key.collection in collections
            for each in found
            if each.severity == "error" and (not wanted or each.code in wanted)
        )


COUNTED: Mapping[str, tuple[str, Callable[[Tellable], int]]] = {
    "attributes_total": ("Attributes that are known", lambda all_: len(all_.configuration.vocabulary)),
    "handler_configs_total": ("Handlers in the configuration", lambda all_: all_.objects(HANDLERS)),
    "instance_configs_total": ("Instances in the configuration", lambda all_: all_.objects(INSTANCES)),
    "instance_config_errors_total": ("Errors of instances", lambda all_: all_.errors(INSTANCES)),
    "rule_configs_total": ("Rules in the configuration", lambda all_: all_.objects(RULES)),
    "rule_config_errors_total": ("Errors of rules", lambda all_: all_.errors(RULES)),
    "rule_config_match_error_total": (
        "Rules whose condition cannot be judged",
        lambda all_: all_.errors(RULES, ["bad-match"]),
    ),
    "unsatisfied_action_handler_total": (
        "Actions whose handler is missing or has errors",
        lambda all_: all_.errors(RULES, ["no-handler"]),
    ),
    "handler_validation_error_total": (
        "Errors in the parameters of handlers",
        lambda all_: all_.errors(HANDLERS, ["bad-params"]),
    ),
    "adapter_info_configs_total": ("Adapters out of process", lambda all_: all_.objects(ADAPTERS)),
    "adapter_info_config_errors_total": ("Errors of adapters out of process", lambda all_: all_.errors(ADAPTERS)),
    "template_configs_total": ("Templates that are objects", lambda all_: all_.objects(TEMPLATES)),
    "template_config_errors_total": ("Errors of templates that are objects", lambda all_: all_.errors(TEMPLATES)),
}


class ConfigurationCounts:
    """The gauges of the configuration that is in effect."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._gauges = {name: metrics.gauge(f"mixer_config_{name}", text) for name, (text, _) in COUNTED.items()}

    def show(self, configuration: Configuration, problems: Problems) -> None:
        """From now on they are of this configuration."""
        found = Tellable(configuration, problems)
        for name, (_, count) in COUNTED.items():
            self._gauges[name].set(count(found))

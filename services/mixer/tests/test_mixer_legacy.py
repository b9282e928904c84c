"""The kinds of one adapter or one template each, from before `handler` and `instance`."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.adapters.denier.adapter import Denier
from flotilla_mixer.adapters.prometheus.page import render
from flotilla_mixer.config import MixerSettings
from flotilla_mixer.configuration.build import COLLECTIONS, JUDGED, asked_collections, build_configuration
from flotilla_mixer.configuration.written import LEGACY_HANDLERS, LEGACY_INSTANCES, LEGACY_TEMPLATES
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.status.states import object_states
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.testing.meshes import configured, problems, read_objects
from flotilla_shared.model.legacy_kinds import LEGACY_PLURALS, LEGACY_PREFIX
from flotilla_shared.runtime.metrics import ServiceMetrics

DENY = """\
apiVersion: config.istio.io/v1alpha2
kind: denier
metadata: {name: closed, namespace: default}
spec: {status: {code: 7, message: closed today}, validDuration: 3s}
---
apiVersion: config.istio.io/v1alpha2
kind: checknothing
metadata: {name: ask, namespace: default}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: default}
spec: {actions: [{handler: closed.denier, instances: [ask.checknothing]}]}
"""
COUNT = """\
apiVersion: config.istio.io/v1alpha2
kind: prometheus
metadata: {name: prom, namespace: default}
spec:
  metrics: [{name: seen, instance_name: seen.metric.default, kind: COUNTER, label_names: [from]}]
---
apiVersion: config.istio.io/v1alpha2
kind: metric
metadata: {name: seen, namespace: default}
spec: {value: "2", dimensions: {from: source.name | "nobody"}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: count, namespace: default}
spec: {actions: [{handler: prom.prometheus.default, instances: [seen.metric.default]}]}
"""
GENERATE = """\
apiVersion: config.istio.io/v1alpha2
kind: kubernetesenv
metadata: {name: cluster, namespace: default}
---
apiVersion: config.istio.io/v1alpha2
kind: kubernetes
metadata: {name: pods, namespace: default}
spec:
  source_ip: source.ip
  BINDINGS: {source.name: '$out.source_pod_name | "unknown"'}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: pods, namespace: default}
spec: {actions: [{handler: cluster.kubernetesenv, instances: [pods.kubernetes]}]}
"""


def checked(*texts: str) -> CheckResult | str:
    """What a workload of the namespace is answered."""
    swap, found = Swap("istio-system"), []  # type: ignore[var-annotated]
    question = Question(lambda _: "default", {}, found.append)
    failures = Failures(MixerMetrics(ServiceMetrics("mixer")))
    CheckDispatcher(failures).dispatch(swap.put(configured(*texts)), [question])
    return found[0]  # type: ignore[no-any-return]


def test_a_denier_denies_under_its_full_name() -> None:
    found = checked(DENY)
    assert isinstance(found, CheckResult)
    assert (found.code, found.message, found.valid_seconds) == (7, "closed.denier.default:closed today", 3)


def test_metrics_are_known_by_the_name_of_their_kind() -> None:
    adapters: Any = dict(load_adapters())
    swap = Swap("istio-system")
    table = swap.put(configured(COUNT, adapters=adapters))
    failures = Failures(MixerMetrics(ServiceMetrics("mixer")))
    ReportDispatcher(failures).dispatch(table, [{"source.name": "web"}, {}], lambda _: "default")
    (family,) = text_string_to_metric_families(render(adapters["prometheus"].store).decode())
    assert {each.labels["from"]: each.value for each in family.samples} == {"web": 2.0, "nobody": 2.0}


@pytest.mark.parametrize("name", ["attribute_bindings", "attributeBindings"])
def test_what_a_generator_gives_stands_among_its_fields(name: str) -> None:
    configuration = configured(GENERATE.replace("BINDINGS", name))
    assert problems(configuration) == []
    (action,) = configuration.actions
    assert set(action.instances[0].bindings) == {"source.name"}


def test_both_forms_work_side_by_side() -> None:
    today = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: closed, namespace: default}
spec: {compiledAdapter: denier, params: {status: {code: 16, message: today}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: also, namespace: default}
spec: {actions: [{handler: closed, instances: [ask.checknothing]}]}
"""
    found = checked(DENY, today)
    assert isinstance(found, CheckResult)
    assert set(found.message.split(", ")) == {"closed.denier.default:closed today", "closed.default:today"}


# What is written, and what is told: kind, name, field as it stands in the object, code.
WRONG = [
    ("code: 7,", "code: 99,", ("denier", "closed", "spec.status.code", "bad-params")),
    ("status: {", "state: {", ("denier", "closed", "spec", "bad-params")),
    ("name: ask, namespace: default}", "name: ask, namespace: default}\nspec: {value: 1}", ("checknothing",)),
    ("kind: denier", "kind: signalfx", ("signalfx", "closed", "kind", "unknown-adapter")),
]


@pytest.mark.parametrize(("right", "wrong", "expected"), WRONG)
def test_problems_name_fields_as_they_are_written(right: str, wrong: str, expected: tuple[str, ...]) -> None:
    configuration = configured(DENY.replace(right, wrong))
    assert problems(configuration)[0][: len(expected)] == expected
    assert all("params" not in field for _, _, field, _ in problems(configuration))
    states = object_states(configuration, configuration.problems)
    ((_, state),) = [each for each in states.items() if each[0].collection == LEGACY_PREFIX + _plural(expected[0])]
    assert not state.accepted
    assert configuration.actions == ()


def _plural(kind: str) -> str:
    return LEGACY_PLURALS[kind]


class Unbuildable(Denier):
    """A denier whose backend cannot be had."""

    def build(self, *_: Any) -> Any:
        raise ValueError("no backend")


def test_what_only_building_shows_is_told_of_the_object_as_it_stands() -> None:
    swap = Swap("istio-system")
    swap.put(configured(DENY, adapters={"denier": Unbuildable()}))
    ((key, (problem,)),) = swap.problems.items()
    assert (key.name, problem.code, problem.field) == ("closed", "not-built", "spec")
    assert "no backend" in problem.text


def test_families_can_be_switched_off() -> None:
    settings = MixerSettings()
    assert settings.use_adapter_crds
    assert settings.use_template_crds
    assert set(asked_collections(adapter_kinds=False)) == set(COLLECTIONS) - set(LEGACY_HANDLERS)
    assert set(asked_collections(template_kinds=False)) == set(COLLECTIONS) - set(LEGACY_INSTANCES)
    objects = read_objects(DENY)
    kept = {name: objects[name] for name in asked_collections(adapter_kinds=False, template_kinds=False)}
    configuration = build_configuration(kept, load_adapters(), "cluster.local")
    assert problems(configuration) == [("rule", "deny", "spec.actions[0].handler", "no-handler")]


def test_every_legacy_kind_is_read_and_judged() -> None:
    everything = {LEGACY_PREFIX + plural for plural in LEGACY_PLURALS.values()}
    assert {*LEGACY_HANDLERS, *LEGACY_INSTANCES} == everything
    assert everything <= JUDGED
    assert everything <= set(COLLECTIONS)
    assert TEMPLATES.keys() == LEGACY_TEMPLATES

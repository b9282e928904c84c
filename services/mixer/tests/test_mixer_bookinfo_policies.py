"""The policies of 1.4's Bookinfo, in legacy kinds and in today's: both forms of a file say the same of the same calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher, Wanted
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import problems, read_objects
from flotilla_shared.model import kinds
from flotilla_shared.runtime.metrics import ServiceMetrics

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
POLICIES = VECTORS / "files" / "samples" / "bookinfo" / "policy"
pytestmark = pytest.mark.skipif(not POLICIES.exists(), reason=f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
FORMS = ["", "-crd"]
QUOTAS = {"": "requestcountquota", "-crd": "requestcount"}


def call(source: str, version: str, destination: str, **more: object) -> dict[str, object]:
    return {
        "source.labels": {"app": source, "version": version},
        "destination.labels": {"app": destination},
        "destination.service.name": destination,
        "request.headers": {},
        **more,
    }


def table(name: str) -> tuple[DispatchTable, Failures]:
    """A file's policy, as a Mixer with what the chart installs would have it."""
    found = [each for each in yaml.safe_load_all((POLICIES / f"mixer-rule-{name}.yaml").read_text()) if each]
    known = [each for each in found if kinds.kind_of(each["apiVersion"], each["kind"])]
    configuration = build_configuration(read_objects(yaml.safe_dump_all(known)), load_adapters(), "cluster.local")
    assert problems(configuration) == []
    return Swap("istio-system").put(configuration), Failures(MixerMetrics(ServiceMetrics("mixer")))


def decided(name: str, bag: Mapping[str, object]) -> Any:
    rules, failures = table(name)
    answers: list[Any] = []
    CheckDispatcher(failures).dispatch(rules, [Question(lambda _: "default", bag, answers.append)])
    return answers[0]


OUTSIDE, INSIDE = (b"\0" * 10 + b"\xff\xff" + bytes(each) for each in ((10, 56, 0, 1), (10, 57, 0, 1)))
GATEWAY = {"source.labels": {"istio": "ingressgateway"}}
# The file, a call, and what is said of it: the code, and how the message ends (empty: it may pass).
DECISIONS = [
    ("deny-label", call("reviews", "v3", "ratings"), 7, "Not allowed"),
    ("deny-label", call("reviews", "v2", "ratings"), 0, ""),
    ("deny-label", call("productpage", "v3", "ratings"), 0, ""),
    ("deny-whitelist", call("reviews", "v3", "ratings"), 7, "v3 is not whitelisted"),
    ("deny-whitelist", call("reviews", "v1", "ratings"), 0, ""),
    ("deny-whitelist", call("reviews", "v3", "details"), 0, ""),
    ("deny-ip", call("", "", "productpage", **GATEWAY, **{"source.ip": OUTSIDE}), 7, "10.56.0.1 is not whitelisted"),
    ("deny-ip", call("", "", "productpage", **GATEWAY, **{"source.ip": INSIDE}), 0, ""),
    ("deny-ip", call("reviews", "v1", "ratings", **{"source.ip": OUTSIDE}), 0, ""),
]


@pytest.mark.parametrize("form", FORMS, ids=["today", "legacy"])
@pytest.mark.parametrize(("name", "bag", "code", "said"), DECISIONS)
def test_who_is_denied(name: str, bag: dict[str, object], code: int, said: str, form: str) -> None:
    found = decided(f"{name}{form}", bag)
    assert found.code == code
    assert found.message.endswith(said)
    handler = found.message.partition(":")[0]
    assert (handler.count(".") == 2) is bool(code and form)  # a legacy handler is called by its full name


# Who is asked for, and how much of so many at once is granted.
LIMITS = [
    (call("", "", "reviews"), [1, 0, 0, 0]),
    (call("", "", "productpage"), [1, 1, 0, 0]),
    (call("", "", "productpage", **{"request.headers": {"x-forwarded-for": "10.28.11.20"}}), [1] * 4),
    (call("", "", "details"), [1] * 4),
]


@pytest.mark.parametrize("form", FORMS, ids=["today", "legacy"])
@pytest.mark.parametrize(("bag", "granted"), LIMITS)
async def test_how_much_is_granted(bag: dict[str, object], granted: list[int], form: str) -> None:
    rules, failures = table(f"productpage-ratelimit{form}")
    found: list[int] = []
    for number in range(len(granted)):
        wanted = Wanted(QUOTAS[form], 1, False, str(number))
        QuotaDispatcher(failures).dispatch(rules.of("default"), bag, wanted, lambda each: found.append(each.amount))
    assert found == granted
    bound = {"destination.service.name": "productpage", "destination.service.namespace": "default"}
    assert rules.configuration.quotas.charges(bound) == {QUOTAS[form]: 1}
    assert rules.configuration.quotas.charges(bound | {"destination.service.name": "details"}) == {}
    for built in rules.handlers:
        await built.close()

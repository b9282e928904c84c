"""What Mixer's verdicts on calls cost: the adapter, a row in to an answer out, and the compilation of many policies.

CPU time of one thread; no transport. The ratio is to the adapter that has no policy to look at.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.table import table
from flotilla_mixer.adapters.authorizationpolicy.adapter import AuthorizationPolicies
from flotilla_mixer.authorization.policies import policy_engine
from flotilla_mixer.authorization.rules import rule_test
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.meshes import read_objects
from flotilla_mixer.testing.policies import engine_of, policy
from flotilla_shared.model.kinds import AUTHORIZATION_POLICIES
from flotilla_shared.model.problems import ProblemLog

RUNS, CALLS, POLICIES = 9, 3000, 1000
PRINCIPAL = "cluster.local/ns/default/sa/reviews"
SUBJECT: dict[str, Any] = {"remote.ip": "", "source.ip": b"\x0a\0\0\1"}
ACTION: dict[str, Any] = {
    "connection.sni": "",
    "context.protocol": "http",
    "destination.ip": b"\x0a\0\0\2",
    "destination.labels": {"app": "ratings", "version": "v1"},
    "destination.port": 9080,
    "request.headers": {":method": "GET", "user-agent": "bench"},
    "request.host": "ratings",
}
SPEC = InstanceSpec(
    "call", AUTHORIZATION, {}, {"subject.properties": tuple(SUBJECT), "action.properties": tuple(ACTION)}
)
HOST = "ratings.default.svc.cluster.local"
ROW = (PRINCIPAL, "", "default", HOST, "GET", "/ratings/7", tuple(SUBJECT.values()), tuple(ACTION.values()))
ALLOW = {
    "from": [{"source": {"principals": [PRINCIPAL]}}],
    "to": [{"operation": {"methods": ["GET"], "paths": ["/ratings/*"]}}],
}
OTHERS = {"from": [{"source": {"namespaces": ["other"]}}], "to": [{"operation": {"paths": ["/{*}/x"]}}]}
CASES = {
    "no policy": (),
    "one rule, that allows": (policy({"rules": [ALLOW]}),),
    "20 rules by namespace and template, the last allows": (policy({"rules": [OTHERS] * 19 + [ALLOW]}),),
    "10 policies that deny others, one that allows": (
        *(policy({"action": "DENY", "rules": [OTHERS]}, f"deny{number}") for number in range(10)),
        policy({"rules": [ALLOW]}),
    ),
}


def measure() -> str:
    costs = [(what, asyncio.run(_answers(texts))) for what, texts in CASES.items()]
    base = costs[0][1]
    rows = [(f"{cost / base:.2f}", what, f"{cost:.1f}") for what, cost in costs]
    answers = table("Mixer's adapter authorizationpolicy", ("ratio", "what", "us an answer"), rows)
    return f"{answers}\n{_compiled()}"


async def _answers(texts: tuple[str, ...]) -> float:
    background, adapter = Background(policies=engine_of(*texts)[0]), AuthorizationPolicies()
    handler = adapter.build(adapter.defaults(), [SPEC], background)
    found: list[Any] = []

    def work() -> None:
        found.clear()
        handler.check([CheckCall(SPEC, ROW, found.append) for _ in range(CALLS)])

    cost = _least(work) / CALLS * 1e6
    assert found[0].ok
    await background.stop()
    return cost


def _compiled() -> str:
    texts = [policy({"rules": [ALLOW, OTHERS]}, f"p{number}", f"ns{number % 50}") for number in range(POLICIES)]
    distinct = [text.replace("/ratings/*", f"/r{number}/*") for number, text in enumerate(texts)]

    items = list(read_objects(*distinct)[AUTHORIZATION_POLICIES].values())

    def compiled() -> None:
        policy_engine(items, None, "cluster.local", ProblemLog())

    def anew() -> None:
        rule_test.cache_clear()
        compiled()

    first, again = _least(anew), _least(compiled)
    rows = [
        ("1.00", "compiled", f"{first * 1e3:.0f}"),
        (f"{again / first:.2f}", "the same again: nothing changed", f"{again * 1e3:.0f}"),
    ]
    return table(f"{POLICIES} AuthorizationPolicies, two rules each", ("ratio", "what", "ms"), rows)


def _least(work: Callable[[], None]) -> float:
    """Seconds of CPU."""
    found = []
    for _ in range(RUNS):
        began = time.thread_time()
        work()
        found.append(time.thread_time() - began)
    return statistics.quantiles(found, n=4)[0]

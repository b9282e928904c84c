"""Mixer's verdicts are those of a real Envoy, whose filters are as Istio compiles the same policies."""

from __future__ import annotations

import ipaddress
from collections import Counter
from pathlib import Path

from flotilla_mixer.authorization.call import AskedCall
from flotilla_mixer.authorization.engine import PolicyEngine, Verdict
from flotilla_shared.model.authorization.policy import Policy
from flotilla_shared.testing.ports import free_port
from tests.authorization.drawn import NAMESPACE, Drawing, Drawn
from tests.authorization.envoy import CASE, SPIFFE, JudgingEnvoy

SETS, CALLS = 150, 30
CONNECTION_SETS, CONNECTIONS = 20, 12
LOOPBACK = ipaddress.ip_address("127.0.0.1").packed


def address(text: str) -> bytes:
    """Of an address, or of the last one in a list; empty for what is none."""
    try:
        return ipaddress.ip_address(text.rpartition(",")[2].strip()).packed
    except ValueError:
        return b""


def asked(call: Drawn, number: int = 0) -> AskedCall:
    """The call as Mixer's engine knows it."""
    headers = {"x-version": call.version, "x-forwarded-for": call.forwarded}
    http = bool(call.method)
    return AskedCall(
        NAMESPACE,
        principal=SPIFFE + call.principal if call.principal else "",
        source_ip=address(call.source),
        remote_ip=address(call.forwarded),
        destination_ip=LOOPBACK,
        destination_port=call.port,
        sni=call.sni,
        host=call.host if http else None,
        method=call.method if http else None,
        path=call.path if http else None,
        headers={CASE: str(number)} | {name: value for name, value in headers.items() if value},
        claims=split(call.claims or {}),
    )


def split(claims: dict[str, object]) -> dict[str, object]:
    scope = claims.get("scope")
    return {**claims, "scope": scope.split(" ")} if isinstance(scope, str) else claims


def verdict(policies: list[Policy], call: AskedCall) -> Verdict:
    return PolicyEngine(policies).decide(call)


async def test_requests(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    drawing = Drawing(1, ports)
    sets = [drawing.policies(number) for number in range(SETS)]
    calls = [(number, drawing.call()) for number in range(SETS) for _ in range(CALLS)]
    async with JudgingEnvoy(tmp_path, ports, sets, {}) as envoy:
        found = await envoy.ask(calls)
    engines = [PolicyEngine(policies) for policies in sets]
    differ = []
    for (number, call), (passed, audited) in zip(calls, found, strict=True):
        said = engines[number].decide(asked(call, number))
        if said.allowed != passed or (passed and bool(said.audits) != audited):
            differ.append((sets[number], call, said, passed, audited))
    count = Counter(passed for passed, _ in found)
    print(f"{len(found)} requests, {count[True]} let through, {sum(audited for _, audited in found)} audited")
    assert not differ, f"{len(differ)} of {len(found)}, first: {differ[0]}"
    assert min(count[True], count[False]) > len(found) / 10


async def test_connections(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(CONNECTION_SETS)]
    drawing = Drawing(2, ports)
    sets = {port: drawing.policies(port) for port in ports}
    calls = [drawing.connection(port) for port in ports for _ in range(CONNECTIONS)]
    async with JudgingEnvoy(tmp_path, [], [], sets) as envoy:
        found = [await envoy.says_back(call) for call in calls]
    differ = [
        (sets[call.port], call, said, passed)
        for call, passed in zip(calls, found, strict=True)
        if (said := verdict(sets[call.port], asked(call))).allowed != passed
    ]
    assert not differ, f"{len(differ)} of {len(found)}, first: {differ[0]}"
    assert min(Counter(found).values()) > len(found) / 20

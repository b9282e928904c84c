"""Handlers out of process by themselves, without a Mixer around them: built, and asked."""

from __future__ import annotations

import asyncio
from typing import Any

from flotilla_mixer.adapters.remote.connect import Connector
from flotilla_mixer.configuration.build import Configuration, build_configuration
from flotilla_mixer.kit.adapter import CheckCall, GenerateCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.testing import backends as made
from flotilla_mixer.testing.backends import Backend
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.meshes import problems, read_objects

BAG = {"source.principal": "me", "request.size": 12}
LISTED = {"value": "source.principal"}


def configured(
    template: str, params: dict[str, Any], connection: dict[str, Any], handler: Any = None, **adapter: Any
) -> Configuration:
    """One rule that sends one instance to one handler of an adapter `far`."""
    texts = (
        made.template_object(template),
        made.adapter_object("far", [template], **adapter),
        made.handler_object("there", "far", connection, handler),
        made.instance_object("asked", template, params),
        made.rule_object("rule", "there", "asked"),
    )
    found = build_configuration(read_objects(*texts), {}, "cluster.local")
    assert problems(found) == []
    return found


class Far:
    """A built handler with the one instance that goes to it."""

    def __init__(self, configuration: Configuration, environment: Background, *, sessions: bool = False) -> None:
        (config,) = configuration.handlers.values()
        (instance,) = configuration.actions[0].instances
        self.instance = instance
        self.handler = Connector(sessions=sessions)(config.params, config.instances, environment)

    def row(self, **bag: object) -> Any:
        return self.instance.row(BAG | bag)

    async def check(self, **bag: object) -> CheckResult | str:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.handler.check([CheckCall(self.instance.spec, self.row(**bag), answer.set_result)])
        return await asyncio.wait_for(answer, 20)

    async def quota(self, amount: int, deduplication_id: str = "") -> QuotaResult | str:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call = QuotaCall(self.instance.spec, self.row(), answer.set_result, amount, True, deduplication_id)
        self.handler.quota([call])
        return await asyncio.wait_for(answer, 20)

    async def generate(self, **bag: object) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.handler.generate([GenerateCall(self.instance.spec, self.row(**bag), answer.set_result)])
        return await asyncio.wait_for(answer, 20)

    def report(self, number: int) -> None:
        self.handler.report([ReportBatch(self.instance.spec, [self.row()] * number)])


def at(backend: Backend, **more: Any) -> dict[str, Any]:
    """The connection to a backend of this process."""
    return {"address": f"127.0.0.1:{backend.port}", **more}

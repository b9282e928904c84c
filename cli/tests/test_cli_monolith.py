"""The four services in one process: really started, on addresses of their own; and the supervisor's view of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flotilla_citadel.config import CitadelSettings
from flotilla_cli.monolith.services import Monolith, MonolithSettings, read_settings
from flotilla_cli.options import UpOptions
from flotilla_cli.parser import build_parser
from flotilla_cli.plan.plan import Plan, read_plan
from flotilla_cli.run_folder import RunFolder, prepare
from flotilla_cli.settings_files import SettingsFiles, identity
from flotilla_galley.config import GalleySettings
from flotilla_mixer.config import MixerSettings
from flotilla_pilot.config import PilotSettings
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.settings import SettingsError

RULES = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: closed, namespace: shop}
spec: {compiledAdapter: denier, params: {status: {code: CODE, message: closed}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: ask, namespace: shop}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: shop}
spec: {actions: [{handler: closed, instances: [ask]}]}
"""


@pytest.fixture
def plan(directory: Path) -> Plan:
    return read_plan(directory)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return prepare(tmp_path / "r")


@pytest.fixture
def settings(plan: Plan, folder: RunFolder) -> MonolithSettings:
    """As `flotilla monolith` writes them, on free ports."""
    SettingsFiles(plan, folder, UpOptions(monolith=True), Path("/bin/true")).write_services()
    found = read_settings(folder)
    free = {"monitoring_port": 0, "introspection_port": 0}
    return MonolithSettings(
        found.citadel.model_copy(update=free | {"port": 0, "oidc_jwks_file": None}),
        found.galley.model_copy(update=free | {"mcp_port": 0}),
        found.pilot.model_copy(update=free | {"xds_port": 0, "debug_port": 0}),
        found.mixer.model_copy(update=free | {"mixer_port": 0, "prometheus_port": 0}),
    )


@pytest.fixture
async def monolith(settings: MonolithSettings) -> AsyncIterator[Monolith]:
    running = Monolith(settings)
    await running.lifecycle.start()
    for each in (running.citadel, running.galley, running.pilot, running.mixer):
        async with asyncio.timeout(20):
            await each.readiness.wait()
    yield running
    await running.lifecycle.stop()


async def until(condition, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_each_service_has_its_own_identity_and_asks_no_network(monolith: Monolith) -> None:
    found = {name: getattr(monolith, name).identity.current.spiffe for name in ("citadel", "galley", "pilot", "mixer")}
    domain = monolith.citadel.settings.trust_domain
    assert found == {name: identity(name, domain) for name in found}
    assert monolith.galley.distributor.view()[0]["caller"] == identity("pilot", domain)


async def test_a_change_goes_to_pilot_and_mixer_and_the_word_comes_back(monolith: Monolith, plan: Plan) -> None:
    (plan.config_dir / "rules.yaml").write_text(RULES.replace("CODE", "7"))
    key = ObjectKey(kinds.RULES, "shop", "deny")
    await until(lambda: (table := monolith.mixer.swap.table) and key in table.configuration.objects)
    await until(lambda: "mixer" in monolith.galley.board.of(key))
    assert monolith.galley.board.of(key)["mixer"]["accepted"] is True
    hops = {hop["hop"] for hop in monolith.galley.trace.hops(name="deny")}
    assert hops == {"galley.read", "galley.published", "galley.sent", "galley.acked"}


async def test_what_mixer_alone_sees_comes_back(monolith: Monolith, plan: Plan) -> None:
    (plan.config_dir / "rules.yaml").write_text(RULES.replace("CODE", "99"))
    key = ObjectKey(kinds.HANDLERS, "shop", "closed")
    await until(lambda: "mixer" in monolith.galley.board.of(key))
    (problem,) = monolith.galley.board.of(key)["mixer"]["problems"]  # type: ignore[misc]
    assert problem["field"] == "spec.params.status.code"


async def test_each_service_keeps_its_own_address(monolith: Monolith, plan: Plan) -> None:
    found = {name: getattr(monolith, name).settings.address for name in plan.addresses}
    assert found == plan.addresses
    assert len(set(found.values())) == 4


def test_settings_that_cannot_be_used_are_told(folder: RunFolder) -> None:
    folder.settings("citadel").write_text("nobody: 1\n")
    with pytest.raises(SettingsError, match="there is no setting nobody"):
        read_settings(folder)


def test_the_classes_of_the_settings(settings: MonolithSettings) -> None:
    kinds_ = (CitadelSettings, GalleySettings, PilotSettings, MixerSettings)
    found = (settings.citadel, settings.galley, settings.pilot, settings.mixer)
    assert all(isinstance(each, kind) for each, kind in zip(found, kinds_, strict=True))


@pytest.mark.parametrize(
    ("arguments", "monolith"),
    [(["up"], False), (["up", "--monolith"], True), (["monolith"], True), (["demo"], False)],
)
def test_the_command_line(arguments: list[str], monolith: bool) -> None:
    parsed = build_parser().parse_args(arguments)
    assert parsed.monolith is monolith
    assert parsed.module == ("demo" if arguments == ["demo"] else "up")


def test_options_travel_to_the_supervisor() -> None:
    assert "--monolith" in UpOptions(monolith=True).arguments()
    assert "--monolith" not in UpOptions().arguments()

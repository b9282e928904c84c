"""The supervisor: the order of a mesh's start and end, and what start and stop mean for each part of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from flotilla_cli.credentials.files import write_private
from flotilla_cli.credentials.tokens import RENEW_SECONDS, TokenIssuer
from flotilla_cli.errors import PlanError, Refused, StartError
from flotilla_cli.plan.plan import Plan, Workload
from flotilla_cli.plan.processes import MONOLITH, SERVICES
from flotilla_cli.run_folder import RunFolder
from flotilla_cli.settings_files import DRAIN_SECONDS, ROOT_NAMESPACE, SettingsFiles, service_account
from flotilla_cli.supervision.commands import Commands
from flotilla_cli.supervision.fleet import Fleet
from flotilla_cli.supervision.probe import Probe
from flotilla_cli.supervision.waits import Waits
from flotilla_shared.runtime.child import Child, State

AGENT = "agent"
START_SECONDS = 120.0
POLL_SECONDS = 0.05
DRAIN_PATIENCE_SECONDS = DRAIN_SECONDS + 10.0


class Supervisor:
    """One mesh. `up` once, then `start` and `stop` of its parts in any order, `down` at the end.

    All methods belong to one loop on the main thread. `say` gets a line of progress for people.
    """

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        settings: SettingsFiles,
        commands: Commands,
        say: Callable[[str], None],
        *,
        monolith: bool = False,
    ) -> None:
        self.plan = plan
        self.processes = (MONOLITH,) if monolith else SERVICES  # of the control plane, in the order of their start
        self.folder = folder
        self.phase = "starting"
        self.began = time.time()
        self.fleet = Fleet(self._died)
        self.probe = Probe(folder.agent_socket)
        self.joined: set[str] = set()  # workloads that are to be in the mesh, whether or not the agent is up
        self._settings = settings
        self._commands = commands
        self._say = say
        self._issuer = TokenIssuer()
        self._renewal: asyncio.Task[None] | None = None

    async def up(self) -> None:
        """Starts everything, Citadel first; returns when all is ready. Raises StartError, with parts
        running.
        """
        self._settings.write_services()
        write_private(self.folder.jwks, self._issuer.jwks())
        self._renewal = asyncio.create_task(self._renew_tokens())
        self.joined = {workload.name for workload in self.plan.workloads.values() if workload.start}
        for name in self._joined_applications():
            self._start_application(name)
        self._start_service(self.processes[0])
        await self._until_ready("citadel")
        for name in (*self.processes[1:], AGENT):
            self._start_service(name)
        for name in SERVICES[1:]:
            await self._until_ready(name)
        await self._until_joined(self.joined)
        self.phase = "up"

    async def down(self) -> None:
        """Stops everything in order: the sidecars, the applications, then the control plane against its
        order.
        """
        self.phase = "stopping"
        if self._renewal is not None:
            self._renewal.cancel()
        await self.fleet.stop([AGENT])
        await self.fleet.stop([name for name in self.fleet.running() if name in self.plan.workloads])
        for name in reversed(self.processes):
            await self.fleet.stop([name])
        await self.probe.close()

    async def start(self, name: str) -> None:
        """Starts a service, the agent or a workload that is not running; raises Refused or PlanError."""
        self._refuse_inner(name)
        if name in self._parts:
            if self.fleet.child(name).state is State.RUNNING:
                raise Refused(f"{name} is running already, as pid {self.fleet.child(name).pid}.")
            self._start_service(name)
            return
        await self._start_workload(self._workload(name))

    async def stop(self, name: str, *, kill: bool = False) -> None:
        """Stops a part, or kills it; what is stopped already stays so. Raises Refused or PlanError."""
        self._refuse_inner(name)
        if name in self._parts:
            await self.fleet.stop([name], kill=kill)
            return
        workload = self._workload(name)
        self.joined.discard(name)
        if self.fleet.child(AGENT).state is State.RUNNING:
            await self.probe.remove_workload(name, seconds=DRAIN_PATIENCE_SECONDS)
        if workload.command:
            await self.fleet.stop([name], kill=kill)

    def process_of(self, service: str) -> Child:
        """The process that a service of the control plane lives in."""
        return self.fleet.child(service if service in self.processes else MONOLITH)

    @property
    def _parts(self) -> tuple[str, ...]:
        """Those that are processes of the mesh itself."""
        return (*self.processes, AGENT)

    def _refuse_inner(self, name: str) -> None:
        if name in SERVICES and name not in self.processes:
            raise Refused(f"{name} lives in the monolith and has no process of its own.", f"`{MONOLITH}` is the part.")

    def kill_all(self) -> None:
        self.fleet.kill_all()

    def _workload(self, name: str) -> Workload:
        if name not in self.plan.workloads:
            known = ", ".join((*self._parts, *self.plan.workloads))
            raise PlanError(f"The mesh has no part named {name}.", f"It has: {known}.")
        return self.plan.workloads[name]

    def _start_service(self, name: str) -> None:
        if name == AGENT:
            joined = [self.plan.workloads[workload] for workload in sorted(self.joined)]
            for workload in joined:
                self._write_token(workload.name)
            self._settings.write_agent(joined)
        elif name != MONOLITH:  # which needs none: its services ask its own Citadel
            self._write_token(name)
        self.fleet.start(name, self._commands.service(name))

    async def _start_workload(self, workload: Workload) -> None:
        if workload.name in self.joined and not self._application_ended(workload):
            raise Refused(f"{workload.name} is in the mesh already.")
        self._write_token(workload.name)
        if workload.command and self.fleet.child(workload.name).state is not State.RUNNING:
            self._start_application(workload.name)
        if workload.name in self.joined:
            return
        self.joined.add(workload.name)
        if self.fleet.child(AGENT).state is State.RUNNING:
            await self.probe.add_workload(self._settings.agent_workload(workload))

    def _application_ended(self, workload: Workload) -> bool:
        return bool(workload.command) and self.fleet.child(workload.name).state is not State.RUNNING

    def _start_application(self, name: str) -> None:
        command = self._commands.application(self.plan.workloads[name])
        try:
            self.fleet.start(name, command)
        except OSError as error:
            raise StartError(
                f"The application of {name} cannot be started: {command.arguments[0]}: {error.strerror}.",
                f"Its command stands in {self.plan.directory / 'processes.yaml'}.",
            ) from error

    def _joined_applications(self) -> Iterable[str]:
        return [name for name in sorted(self.joined) if self.plan.workloads[name].command]

    def _write_token(self, name: str) -> None:
        if name in self.plan.workloads:
            workload = self.plan.workloads[name]
            account = (workload.namespace, workload.service_account)
        else:
            account = (ROOT_NAMESPACE, service_account(name))
        self._issuer.write(self.folder.token(name), *account)

    async def _renew_tokens(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for name in (*(each for each in self.processes if each != MONOLITH), *self.joined):
                self._write_token(name)

    def _died(self, child: Child) -> None:
        if self.phase == "up":
            self._say(f"{child.name} {child.reason()} (`flotilla start {child.name}` starts it again)")

    async def _until_ready(self, name: str) -> None:
        waits = Waits(self._say)
        reasons: tuple[str, ...] = ("does not answer",)
        while waits.seconds < START_SECONDS:
            self._raise_if_ended((self.process_of(name).name,))
            readiness = await self.probe.ready(self.plan.addresses[name])
            if readiness.ready and (name != "citadel" or self.folder.root_cert.exists()):
                self._say(f"{name} is ready ({self.plan.addresses[name]})")
                return
            reasons = readiness.reasons
            waits.on(name, "; ".join(reasons))
            await asyncio.sleep(POLL_SECONDS)
        raise StartError(f"{name} is not ready after {START_SECONDS:.0f} s: {'; '.join(reasons)}.", self._see(name))

    async def _until_joined(self, names: Iterable[str]) -> None:
        waiting, waits = set(names), Waits(self._say)
        known: dict[str, dict[str, Any]] = {}
        while waiting:
            self._raise_if_ended((AGENT, *self._joined_applications()))
            known = {workload["name"]: workload for workload in await self.probe.workloads() or []}
            for name in sorted(waiting):
                if known.get(name, {}).get("state") == "ready":
                    self._say(f"{name} has joined ({self.plan.workloads[name].address})")
                    waiting.discard(name)
                else:
                    waits.on(name, known.get(name, {}).get("reason", ""))
            if waits.seconds > START_SECONDS:
                name = min(waiting)
                reason = known.get(name, {}).get("reason") or "the agent does not know it"
                raise StartError(f"{name} has not joined after {START_SECONDS:.0f} s: {reason}.", self._see(AGENT))
            await asyncio.sleep(POLL_SECONDS if waiting else 0)

    def _raise_if_ended(self, names: Iterable[str]) -> None:
        for name in names:
            child = self.fleet.child(name)
            if child.state is State.DIED:
                raise StartError(f"{name} {child.reason()}.", self._see(name))

    def _see(self, name: str) -> str:
        return f"Its log: {self.folder.log(name)}"

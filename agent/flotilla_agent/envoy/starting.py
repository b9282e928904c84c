"""The bootstrap that an Envoy is started with: the agent's own, and what EnvoyFilters say of it."""

from __future__ import annotations

from pathlib import Path

from flotilla_agent.bootstrap.bootstrap import Json
from flotilla_agent.bootstrap.patching import PatchRefused, patched
from flotilla_agent.config import AgentSettings
from flotilla_agent.envoy.bootstrap_question import PilotSilent, ask_for_bootstrap
from flotilla_agent.envoy.validation import fault_of_bootstrap
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


class StartingBootstrap:
    """Of one workload, asked for at each start of its Envoy.

    What is wrong with the patches never keeps Envoy from starting: it then starts without them, and `problem` says so.
    Where Pilot is away, the patches that it had last told count.
    """

    def __init__(self, name: str, settings: AgentSettings, folder: Path) -> None:
        self.problem = ""
        self._name = name
        self._settings = settings
        self._folder = folder
        self._made: Json = {}
        self._last = b""

    async def of(self, own: Json, certificate: Certificate) -> Json:
        """`own`, patched as far as can be."""
        self._made, self.problem = own, ""
        seconds = self._settings.bootstrap_seconds
        if not seconds:
            return own

        async def judge(patch: bytes) -> str:
            return await self._take(own, patch)

        try:
            await ask_for_bootstrap(self._settings.pilot, own["node"], certificate, seconds, judge)
        except PilotSilent as silent:
            await self._take(own, self._last)
            _log.warning(
                "Envoy starts without asking for patches of its bootstrap", name=self._name, reason=str(silent)
            )
        return self._made

    async def _take(self, own: Json, patch: bytes) -> str:
        """Gives why the patch cannot be taken, or nothing."""
        if not patch:
            self._last = patch
            return ""
        try:
            made = patched(own, patch)
            fault = await fault_of_bootstrap(self._settings.envoy, made, self._folder)
        except (PatchRefused, OSError) as error:
            made, fault = own, str(error)
        if fault:
            self.problem = f"Envoy runs without the EnvoyFilters that patch its bootstrap: {fault}"
            _log.warning("bootstrap not patched", name=self._name, reason=fault)
        else:
            self._made, self._last = made, patch
        return fault

"""Citadel, Galley, Pilot and Mixer, each as it is, in one process.

What crosses the wire between four processes is a call here, through the same interfaces: CSRs go to Citadel's own
authority, configuration comes from Galley's distributor, status goes to its board. Each service keeps its
addresses and ports, for agents and proxies are served as ever.
"""

from __future__ import annotations

from dataclasses import dataclass

from flotilla_citadel.app import Citadel
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.errors import StartRefused
from flotilla_citadel.servers.own_certificate import OwnSigner
from flotilla_cli.run_folder import RunFolder
from flotilla_cli.settings_files import identity
from flotilla_galley.app import Galley
from flotilla_galley.config import GalleySettings
from flotilla_mixer.app import Mixer
from flotilla_mixer.config import MixerSettings
from flotilla_pilot.app import Pilot
from flotilla_pilot.config import PilotSettings
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.settings import load_settings

_log = get_logger(__name__)


@dataclass(frozen=True)
class MonolithSettings:
    """The settings of the four, as each would have them alone."""

    citadel: CitadelSettings
    galley: GalleySettings
    pilot: PilotSettings
    mixer: MixerSettings


def read_settings(folder: RunFolder) -> MonolithSettings:
    """From the files that the four services have in the run folder. Raises SettingsError."""
    return MonolithSettings(
        load_settings(CitadelSettings, "citadel", folder.settings("citadel")),
        load_settings(GalleySettings, "galley", folder.settings("galley")),
        load_settings(PilotSettings, "pilot", folder.settings("pilot")),
        load_settings(MixerSettings, "mixer", folder.settings("mixer")),
    )


class Monolith:
    """All four. Made on the event loop without being started; `lifecycle` starts and stops them in order.

    Raises StartRefused when Citadel's root cannot be used.
    """

    def __init__(self, settings: MonolithSettings) -> None:
        self.citadel = Citadel(settings.citadel)
        self._domain = settings.citadel.trust_domain
        self.galley = Galley(settings.galley, signer=self._signer("galley"))
        source, receiver = self.galley.distributor, self.galley.board
        self.pilot = Pilot(settings.pilot, signer=self._signer("pilot"), source=source, receiver=receiver)
        self.mixer = Mixer(settings.mixer, signer=self._signer("mixer"), source=source, receiver=receiver)
        self.lifecycle = Lifecycle(stop_seconds=30.0)
        for name in ("citadel", "galley", "pilot", "mixer"):
            self.lifecycle.add(getattr(self, name).lifecycle, name)

    def _signer(self, service: str) -> OwnSigner:
        """Citadel's authority, for one service of this process: who asks is known without a credential."""
        return OwnSigner(self.citadel.authority, identity(service, self._domain), self.citadel.issued)


async def serve(settings: MonolithSettings) -> int:
    """Run all four until told to stop; gives the process's exit code."""
    try:
        monolith = Monolith(settings)
    except StartRefused as refused:
        _log.error("the monolith cannot start", error=str(refused))
        return 1
    return await monolith.lifecycle.run()

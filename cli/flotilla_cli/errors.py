"""What the command tells a user who cannot have what was asked.

FlotillaError
├── PlanError      the mesh's directory does not say what is to run
├── CheckError     something on this machine is in the way: an address, Envoy, the run folder
├── NoMesh         no mesh is up in this run folder
├── StartError     a process of the mesh did not come up
└── Refused        the supervisor or a service said no
"""

from __future__ import annotations


class FlotillaError(Exception):
    """`text` is one clear sentence (or a list under one); `mend` says what to do about it, or is empty."""

    def __init__(self, text: str, mend: str = "") -> None:
        gap = "" if text.endswith("\n") else " "
        super().__init__(f"{text}{gap}{mend}".rstrip())
        self.text = text
        self.mend = mend


class PlanError(FlotillaError):
    """The mesh's directory is missing, unreadable, or contradicts itself."""


class CheckError(FlotillaError):
    """This machine cannot run the mesh as it is now."""


class NoMesh(FlotillaError):
    """No supervisor answers in the run folder."""


class StartError(FlotillaError):
    """A process ended, or was not ready in time, while the mesh started."""


class Refused(FlotillaError):
    """A request was understood and not carried out."""

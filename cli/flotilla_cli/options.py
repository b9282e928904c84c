"""How a mesh is to be started, where it differs from the ordinary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_CERTIFICATE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class UpOptions:
    """`delta`: whether Envoys ask for changes only (delta xDS) or for the state of the world. `monolith`: whether
    the four services are one process.
    """

    run_dir: Path | None = None
    envoy: Path | None = None
    certificate_seconds: int = DEFAULT_CERTIFICATE_SECONDS
    delta: bool = True
    log_level: str = "info"
    monolith: bool = False

    def arguments(self) -> list[str]:
        """The same as arguments of `flotilla up`."""
        given = [
            "--certificate-ttl",
            str(self.certificate_seconds),
            "--delta" if self.delta else "--sotw",
            "--log-level",
            self.log_level,
        ]
        if self.monolith:
            given.append("--monolith")
        if self.run_dir is not None:
            given += ["--run-dir", str(self.run_dir)]
        if self.envoy is not None:
            given += ["--envoy", str(self.envoy)]
        return given

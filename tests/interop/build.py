"""Programs of others, built from their Go modules once and then kept in the cache: `python -m tests.interop.build` makes all.

A test makes what it needs itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.kube.cluster.cache import cache_folder, key_of, only_one
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import NotPossible

ADSC = Path(__file__).parent / "adsc"
OPA = Path(__file__).parent / "opa"
OTLP = Path(__file__).parent / "otlp"
_BUILD = ("go", "build", "-mod=readonly")
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}


def adsc_client() -> Path:
    """istiod's own ADS client; built at the first call, about 420 seconds of one core. Raises NotPossible without Go."""
    return _program(ADSC, "istiod's client")


def opa_server() -> Path:
    """The program `opa`; built at the first call, about 130 seconds of one core. Raises NotPossible without Go."""
    return _program(OPA, "an OPA server")


def otlp_receiver() -> Path:
    """The OpenTelemetry collector's receiver; built at the first call, about 120 seconds of one core. Raises NotPossible without
    Go.
    """
    return _program(OTLP, "an OpenTelemetry receiver")


def _program(module: Path, what: str) -> Path:
    name = module.name
    folder = cache_folder() / key_of((file for file in module.iterdir() if file.is_file()), *_BUILD)
    program = folder / name
    with only_one(folder / "lock"):
        if not program.exists():
            if not shutil.which("go"):
                raise NotPossible(f"{what} must be built, and there is no go: install Go 1.26 or newer")
            making = folder / f"{name}.making"
            call([*_BUILD, "-o", str(making), "."], f"go build {name}", environment=_ENVIRONMENT, folder=module)
            making.rename(program)
    return program


if __name__ == "__main__":
    for program in (opa_server, otlp_receiver, adsc_client):
        program()

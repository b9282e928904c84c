"""Programs of others, built from their Go modules once and then kept in the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.kube.cluster.cache import cache_folder, key_of, only_one
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import NotPossible

ADSC = Path(__file__).parent / "adsc"
_BUILD = ("go", "build", "-mod=readonly")
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}


def adsc_client() -> Path:
    """istiod's own ADS client; built at the first call, about 420 seconds of one core. Raises NotPossible without Go."""
    folder = cache_folder() / key_of((file for file in ADSC.iterdir() if file.is_file()), *_BUILD)
    program = folder / "adsc"
    with only_one(folder / "lock"):
        if not program.exists():
            if not shutil.which("go"):
                raise NotPossible("istiod's client must be built, and there is no go: install Go 1.26 or newer")
            making = folder / "adsc.making"
            call([*_BUILD, "-o", str(making), "."], "go build adsc", environment=_ENVIRONMENT, folder=ADSC)
            making.rename(program)
    return program

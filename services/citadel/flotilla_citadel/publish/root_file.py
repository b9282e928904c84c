"""`root-cert.pem`: plain PEM, replaced in one step, readable by everybody."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from flotilla_citadel.errors import StartRefused


def publish_root(path: Path, pem: str) -> None:
    """Write the root bundle to `path`, creating its folder: a reader sees the old file or the new one, whole.

    Raises StartRefused, with the path and the cause. Blocking: for the start only.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(pem)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            os.replace(fresh, path)
        except BaseException:
            os.unlink(fresh)
            raise
    except OSError as error:
        raise StartRefused(
            f"{path}: the root certificate cannot be published: {error.strerror}: name another file with "
            "publish_root_file"
        ) from error

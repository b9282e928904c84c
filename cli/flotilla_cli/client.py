"""A supervisor's control socket from the other side. Synchronous, for commands, the demo and tests."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from flotilla_cli.errors import NoMesh, Refused
from flotilla_cli.run_folder import VARIABLE, RunFolder

SECONDS = 5.0
CHANGE_SECONDS = 30.0


class SupervisorClient:
    """Speaks to the supervisor of one run folder; opens a connection per call."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = RunFolder(run_dir)

    def state(self) -> dict[str, Any] | None:
        """Phase, pid and directory of the mesh, or None if none is up."""
        try:
            answer: dict[str, Any] = self._call("GET", "/state")
        except NoMesh:
            return None
        return answer

    def status(self) -> dict[str, Any]:
        """As status/gather.py says. Raises NoMesh."""
        answer: dict[str, Any] = self._call("GET", "/status")
        return answer

    def start(self, name: str) -> None:
        """Raises NoMesh, or Refused with the supervisor's sentence."""
        self._call("POST", f"/parts/{name}/start", {}, seconds=CHANGE_SECONDS)

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Returns when it has ended. Raises NoMesh, or Refused with the supervisor's sentence."""
        self._call("POST", f"/parts/{name}/stop", {"kill": kill}, seconds=CHANGE_SECONDS)

    def down(self) -> None:
        """Asks for the mesh's end; the supervisor's process ends a little later. Raises NoMesh."""
        self._call("POST", "/down", {})

    def _call(self, method: str, path: str, body: object = None, *, seconds: float = SECONDS) -> Any:
        connection = _Connection(self.folder.control_socket, seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except TimeoutError as error:
            raise Refused(f"The supervisor has not answered within {seconds:.0f} s.") from error
        except ValueError as error:
            raise Refused(f"The supervisor failed; {self.folder.log('supervisor')} may say why.") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoMesh(
                f"No mesh is up in {self.folder.path}.",
                f"`flotilla up` starts one; --run-dir or {VARIABLE} names another run folder.",
            ) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(answer.get("text", f"status {response.status}"), answer.get("mend", ""))
        return answer


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("supervisor", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

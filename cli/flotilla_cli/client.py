"""A supervisor's control socket from the other side. Synchronous, for commands, the demo and tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flotilla_cli.errors import NoMesh, Refused
from flotilla_cli.run_folder import VARIABLE, RunFolder

if TYPE_CHECKING:
    import httpx

SECONDS = 5.0
CHANGE_SECONDS = 30.0


class SupervisorClient:
    """Speaks to the supervisor of one run folder; opens a connection per call."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = RunFolder(run_dir)

    def state(self) -> dict[str, Any] | None:
        """Phase, pid and directory of the mesh, or None if none is up."""
        if not self.folder.control_socket.exists():
            return None
        try:
            answer: dict[str, Any] = self._call("GET", "/state").json()
        except NoMesh:
            return None
        return answer

    def status(self) -> dict[str, Any]:
        """As status/gather.py says. Raises NoMesh."""
        answer: dict[str, Any] = self._call("GET", "/status").json()
        return answer

    def start(self, name: str) -> None:
        """Raises NoMesh, or Refused with the supervisor's sentence."""
        self._call("POST", f"/parts/{name}/start", seconds=CHANGE_SECONDS)

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Returns when it has ended. Raises NoMesh, or Refused with the supervisor's sentence."""
        self._call("POST", f"/parts/{name}/stop", {"kill": kill}, seconds=CHANGE_SECONDS)

    def down(self) -> None:
        """Asks for the mesh's end; the supervisor's process ends a little later. Raises NoMesh."""
        self._call("POST", "/down")

    def _call(
        self, method: str, path: str, body: object = None, *, seconds: float = SECONDS
    ) -> httpx.Response:
        import httpx

        transport = httpx.HTTPTransport(uds=str(self.folder.control_socket))
        try:
            with httpx.Client(
                transport=transport, base_url="http://supervisor", timeout=seconds, trust_env=False
            ) as client:
                response = client.request(method, path, json=body)
        except httpx.TimeoutException as error:
            raise Refused(f"The supervisor has not answered within {seconds:.0f} s.") from error
        except httpx.HTTPError as error:
            raise NoMesh(
                f"No mesh is up in {self.folder.path}.",
                f"`flotilla up` starts one; --run-dir or {VARIABLE} names another run folder.",
            ) from error
        if response.status_code == 409:
            refusal = response.json()
            raise Refused(refusal["text"], refusal["mend"])
        response.raise_for_status()
        return response

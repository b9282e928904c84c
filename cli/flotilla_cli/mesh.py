"""A mesh on this machine, driven from Python: started, asked, broken and healed. Synchronous.

    with Mesh.up(directory, UpOptions(run_dir=...)) as mesh:
        mesh.write("reviews-route.yaml", text)
        mesh.wait_applied("VirtualService", "default", "reviews")
        mesh.stop("pilot", kill=True)

Waiting is for a state of the mesh, never for a time; each `wait_…` takes the seconds after which
MeshTimeout is raised, with what the mesh said last.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from flotilla_cli.client import SupervisorClient
from flotilla_cli.errors import FlotillaError, NoMesh, StartError
from flotilla_cli.options import UpOptions
from flotilla_cli.plan.plan import CONFIG, Plan, read_plan
from flotilla_cli.run_folder import default_run_dir
from flotilla_cli.status.view import MeshStatus, Part, as_list
from flotilla_cli.supervision.spawn import spawn, wait_until_up
from flotilla_cli.trace import Trace, join

if TYPE_CHECKING:
    import httpx

SECONDS = 30.0
POLL_SECONDS = 0.05
INTROSPECTION_PORT = 9876
PILOT_DEBUG_PORT = 8080
PROMETHEUS_PORT = 42422
ADMIN_PORT = 15000
Found = TypeVar("Found")


class MeshTimeout(FlotillaError):
    """The mesh did not come into the awaited state."""


class Mesh:
    """One mesh that is up. Methods raise NoMesh when it has gone."""

    def __init__(self, run_dir: Path, process: subprocess.Popen[str] | None = None) -> None:
        self.client = SupervisorClient(run_dir)
        self.process = process
        self._plan: Plan | None = None
        self._http: httpx.Client | None = None

    @classmethod
    def up(
        cls,
        directory: Path,
        options: UpOptions | None = None,
        *,
        tied: bool = True,
        say: Callable[[str], None] = lambda line: None,
    ) -> Mesh:
        """Starts one and returns when all of it is ready; StartError with the reason if it could not.

        `tied`: it ends with the calling thread (call from the main thread), whatever happens to this process.
        """
        options = options or UpOptions()
        process = spawn(directory, options, tied=tied)
        try:
            wait_until_up(process, options, say)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        return cls((options.run_dir or default_run_dir(os.environ)).absolute(), process)

    @classmethod
    def attach(cls, run_dir: Path) -> Mesh:
        """The mesh that is up in this run folder; NoMesh if none is."""
        mesh = cls(run_dir)
        if mesh.client.state() is None:
            mesh.client.status()
        return mesh

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # what it is

    @property
    def run_dir(self) -> Path:
        return self.client.folder.path

    @property
    def plan(self) -> Plan:
        """Read from its directory, once."""
        if self._plan is None:
            state = self.client.state()
            if state is None:
                raise NoMesh(f"No mesh is up in {self.run_dir}.")
            self._plan = read_plan(Path(state["directory"]))
        return self._plan

    @property
    def gateway(self) -> str:
        """The URL of the way in: the first address that a Gateway binds."""
        listener = next(found for found in self.plan.listeners if found.owner.startswith("Gateway "))
        return f"http://{listener.address}:{listener.port}"

    @property
    def http(self) -> httpx.Client:
        """A client without the environment's proxies, closed with the mesh."""
        if self._http is None:
            import httpx

            self._http = httpx.Client(trust_env=False, timeout=10.0)
        return self._http

    # its parts

    def down(self, seconds: float = SECONDS) -> None:
        """Stops all of it; returns when the supervisor has ended. A mesh that is down already stays so."""
        if self._http is not None:
            self._http.close()
            self._http = None
        state = self.client.state()
        if state is None and self.process is None:
            return
        try:
            self.client.down()
        except NoMesh:
            if self.process is not None:
                self.process.terminate()
        if self.process is not None:
            self.process.wait(seconds)
        elif state is not None:
            self.wait(lambda: not _alive(state["pid"]), f"pid {state['pid']} to end", seconds=seconds)

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Stops a service, the agent or a workload; returns when its process has ended."""
        self.client.stop(name, kill=kill)

    def start(self, name: str) -> None:
        """Starts it; returns when its process runs, which is before it is ready."""
        self.client.start(name)

    def restart(self, name: str, *, kill: bool = True) -> Part:
        """Ends it, starts it, returns when it is ready again."""
        self.stop(name, kill=kill)
        self.start(name)
        return self.wait_ready(name)

    def run(
        self,
        workload: str,
        *,
        seconds: float = SECONDS,
        on_reason: Callable[[str], None] = lambda reason: None,
    ) -> Part:
        """Starts a workload and returns when it has joined; StartError says why it has not."""
        self.plan.workload(workload)
        self.start(workload)
        told = ""

        def joined(part: Part) -> bool:
            nonlocal told
            if part.reason and part.reason != told:
                told = part.reason
                on_reason(told)
            return part.ready or part.state == "died"

        try:
            part = self.wait_part(workload, joined, seconds=seconds)
        except MeshTimeout as error:
            raise StartError(f"{workload} could not join the mesh: {told or 'no reason is known'}.") from error
        if not part.ready:
            raise StartError(f"{workload} {part.reason}.", f"`flotilla logs {workload}` shows more.")
        return part

    # its configuration

    def write(self, name: str, text: str) -> Path:
        """Puts a file into the configuration directory, whole at once."""
        file = self.plan.directory / CONFIG / name
        draft = file.with_name(f".{file.name}.draft")
        draft.write_text(text)
        draft.replace(file)
        return file

    def object(self, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        """What Galley says of an object (`/debug/status`), or None if it does not know it."""
        wanted = (kind, namespace, name)
        found = as_list(self.galley("status"), "objects")
        return next((item for item in found if (item["kind"], item["namespace"], item["name"]) == wanted), None)

    def wait_object(
        self,
        kind: str,
        namespace: str,
        name: str,
        condition: Callable[[Mapping[str, Any]], bool],
        *,
        seconds: float = SECONDS,
    ) -> Mapping[str, Any]:
        """Waits until what Galley says of the object meets the condition."""

        def met() -> Mapping[str, Any] | None:
            found = self.object(kind, namespace, name)
            return found if found is not None and condition(found) else None

        return self.wait(met, f"{kind}/{namespace}/{name}", seconds=seconds)

    def wait_applied(
        self, kind: str, namespace: str, name: str, *, unlike: str = "", seconds: float = SECONDS
    ) -> Trace:
        """Waits until the newest version has gone all the way, and each proxy that got it has acknowledged
        it.

        `unlike`: the version before the change, which must not be taken for the new one.
        """

        def applied() -> Trace | None:
            trace = self.trace(kind, namespace, name)
            taken = trace.for_mixer or trace.of("pilot.acked")
            done = trace.complete and taken and trace.version != unlike
            return trace if done else None

        return self.wait(applied, f"{kind}/{namespace}/{name} to be applied", seconds=seconds)

    def trace(self, kind: str, namespace: str, name: str, version: str | None = None) -> Trace:
        """The hops of a version (default: the newest). Raises Refused if nothing is known of it."""
        from flotilla_cli.hops import recorded

        return join(f"{kind}/{namespace}/{name}", recorded(self, kind, namespace, name), version)

    # what its parts say

    def status(self) -> MeshStatus:
        return MeshStatus(self.client.status())

    def galley(self, topic: str, **query: str) -> Any:
        """A debug topic of Galley, as JSON."""
        return self.ask(f"http://{self.plan.addresses['galley']}:{INTROSPECTION_PORT}/debug/{topic}", query)

    def pilot(self, topic: str, *, port: int = PILOT_DEBUG_PORT, **query: str) -> Any:
        """A debug endpoint of Pilot, as JSON; `port` 9876 has its introspection topics, such as trace."""
        return self.ask(f"http://{self.plan.addresses['pilot']}:{port}/debug/{topic}", query)

    def mixer(self, topic: str, **query: str) -> Any:
        """A debug topic of Mixer, as JSON."""
        return self.ask(f"http://{self.plan.addresses['mixer']}:{INTROSPECTION_PORT}/debug/{topic}", query)

    def mixer_metrics(self) -> str:
        """What Mixer's prometheus handler shows, in Prometheus' text format."""
        response = self.http.get(f"http://{self.plan.addresses['mixer']}:{PROMETHEUS_PORT}/metrics")
        response.raise_for_status()
        return response.text

    def ask(self, url: str, query: Mapping[str, str] | None = None) -> Any:
        response = self.http.get(url, params=dict(query or {}))
        response.raise_for_status()
        return response.json()

    def admin(self, workload: str, path: str, *, method: str = "GET") -> httpx.Response:
        """An answer of the Envoy of a workload, on its admin port."""
        address = self.plan.workload(workload).address
        return self.http.request(method, f"http://{address}:{ADMIN_PORT}{path}")

    def stats(self, workload: str, pattern: str = "") -> dict[str, int]:
        """Counters and gauges of the Envoy of a workload whose names match the expression."""
        query = f"?format=json&filter={pattern}" if pattern else "?format=json"
        found = self.admin(workload, f"/stats{query}").json()["stats"]
        return {stat["name"]: stat["value"] for stat in found if isinstance(stat.get("value"), int)}

    def log(self, name: str, *, envoy: bool = False) -> str:
        """Everything that a part has logged."""
        folder = self.client.folder
        return (folder.envoy_log(name) if envoy else folder.log(name)).read_text(errors="replace")

    # waiting

    def wait_ready(self, *names: str, seconds: float = SECONDS) -> Part:
        """Waits until these parts are ready, all at once; gives the last."""

        def met() -> Part | None:
            status = self.status()
            parts = [status.part(name) for name in names]
            return parts[-1] if all(part.ready for part in parts) else None

        return self.wait(met, " and ".join(names), seconds=seconds, last=lambda: self._unready(names))

    def _unready(self, names: Sequence[str]) -> str:
        status = self.status()
        return "; ".join(str(part) for part in map(status.part, names) if not part.ready)

    def wait_part(self, name: str, condition: Callable[[Part], bool], *, seconds: float = SECONDS) -> Part:
        def met() -> Part | None:
            part = self.status().part(name)
            return part if condition(part) else None

        return self.wait(met, name, seconds=seconds, last=lambda: str(self.status().part(name)))

    def wait(
        self,
        question: Callable[[], Found | None],
        what: str,
        *,
        seconds: float = SECONDS,
        last: Callable[[], str] = lambda: "",
    ) -> Found:
        """Asks until the answer is true, and gives it. HTTP errors and refusals on the way count as no."""
        import httpx

        from flotilla_cli.errors import Refused

        end, error = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            try:
                answer = question()
            except (httpx.HTTPError, Refused) as problem:
                answer, error = None, str(problem)
            if answer:
                return answer
            time.sleep(POLL_SECONDS)
        raise MeshTimeout(f"Waited {seconds:.0f} s in vain for {what}. {last() or error}".strip())


def _alive(pid: int) -> bool:
    """Whether it runs: a dead process that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

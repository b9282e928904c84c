"""What is known of the root in each namespace, for people and for metrics. Values and words only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flotilla_citadel.publish.config_map import KEY, NAME
from flotilla_shared.runtime.kube.errors import Forbidden, KubeError, NotFound


class State(StrEnum):
    """How a namespace stands; the label of the gauge."""

    PUBLISHED = "published"
    SHARED = "shared"  # another one published our root
    FOREIGN = "foreign"  # another one published another root
    WAITING = "waiting"  # the replica that leads will write it
    FAILED = "failed"  # it could not be written; it is tried again


@dataclass(frozen=True, slots=True)
class Standing:
    """A namespace's state, and why it is not published."""

    state: State
    reason: str = ""

    @property
    def trusted(self) -> bool:
        """Whether its workloads can have our root."""
        return self.state in (State.PUBLISHED, State.SHARED)


def foreign(namespace: str) -> Standing:
    """Somebody else's ConfigMap is in our ConfigMap's place."""
    return Standing(
        State.FOREIGN,
        f"ConfigMap {namespace}/{NAME} holds another root in {KEY} and is not this Citadel's, so it is not overwritten: "
        "workloads of this namespace cannot trust this mesh; delete it, or keep the namespace out of one of the meshes",
    )


def failed(namespace: str, error: KubeError) -> Standing:
    """It could not be written."""
    return Standing(State.FAILED, f"ConfigMap {namespace}/{NAME} cannot be written: {error}")


def goes_away(error: KubeError) -> bool:
    """Whether a write failed because its namespace is being deleted, or is gone: nothing to tell and to mend."""
    if isinstance(error, NotFound):
        return True
    return isinstance(error, Forbidden) and "is being terminated" in error.message


class Standings:
    """All namespaces. `view` is the topic of the introspection page."""

    def __init__(self) -> None:
        self._known: dict[str, Standing] = {}

    def put(self, namespace: str, standing: Standing) -> Standing | None:
        """Take in how it stands; gives how it stood before."""
        before = self._known.get(namespace)
        self._known[namespace] = standing
        return before

    def remove(self, namespace: str) -> None:
        self._known.pop(namespace, None)

    def get(self, namespace: str) -> Standing | None:
        return self._known.get(namespace)

    def all(self, state: State) -> list[str]:
        """The namespaces that stand so."""
        return [name for name, each in self._known.items() if each.state is state]

    def count(self, state: State) -> int:
        return sum(each.state is state for each in self._known.values())

    def view(self) -> dict[str, object]:
        """How many are in which state, and each that its workloads' mesh should worry about."""
        worrying = (State.FOREIGN, State.FAILED)
        return {
            "namespaces": {str(state): self.count(state) for state in State},
            "problems": [
                {"namespace": name, "state": str(each.state), "reason": each.reason}
                for name, each in sorted(self._known.items())
                if each.state in worrying
            ],
        }

"""What one stream has asked for, was given and is due: the two forms of the discovery protocol, without a transport.

Both take a request with `take`, and give with `due` the response that must be sent, or None. Nothing is sent again
because Envoy refused it: the next certificate is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Protocol

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse

from flotilla_agent.sds.secrets import NAMES, TYPE_URL, VersionedSecret

Secrets = Mapping[str, VersionedSecret]
Serves = Callable[[str], bool]


class UnknownSecret(Exception):
    """A name that this agent has no secret for."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(f"this agent serves the secrets {' and '.join(NAMES)}, not {', '.join(sorted(names))}")


class Subscription(Protocol):
    """One stream. `refusal` is Envoy's text where the request that was taken last is a NACK, else empty."""

    refusal: str

    @property
    def names(self) -> Set[str]:
        """What is asked for now."""
        ...

    def take(self, request: Any) -> None:
        """Raises UnknownSecret."""
        ...

    def due(self, secrets: Secrets) -> Any | None: ...


class StateOfTheWorld:
    """`StreamSecrets`: each response holds all secrets asked for that there are."""

    def __init__(self, serves: Serves = lambda name: False) -> None:
        self.refusal = ""
        self._serves = serves
        self._names: frozenset[str] = frozenset()
        self._sent: dict[str, str] | None = None  # name -> version
        self._nonce = 0

    @property
    def names(self) -> Set[str]:
        return self._names

    def take(self, request: Any) -> None:
        if request.response_nonce and request.response_nonce != str(self._nonce):
            return  # it answers an older response; an answer to the newest will come
        self.refusal = request.error_detail.message if request.HasField("error_detail") else ""
        names = frozenset(request.resource_names)
        _check(names, self._serves)
        if names != self._names or not request.response_nonce:
            self._names, self._sent = names, None

    def due(self, secrets: Secrets) -> DiscoveryResponse | None:
        wanted = [
            secrets[name]
            for name in (*NAMES, *sorted(self._names.difference(NAMES)))
            if name in self._names & secrets.keys()
        ]
        versions = {each.name: each.version for each in wanted}
        if not wanted or versions == self._sent:
            return None
        self._sent = versions
        self._nonce += 1
        return DiscoveryResponse(
            type_url=TYPE_URL,
            version_info="-".join(versions.values()),
            nonce=str(self._nonce),
            resources=[each.body for each in wanted],
        )


class Delta:
    """`DeltaSecrets`: each response holds the secrets that Envoy has not, or has in another version."""

    def __init__(self, serves: Serves = lambda name: False) -> None:
        self.refusal = ""
        self._serves = serves
        self._sent: dict[str, str | None] = {}  # name -> version, None where none was sent
        self._nonce = 0

    @property
    def names(self) -> Set[str]:
        return self._sent.keys()

    def take(self, request: Any) -> None:
        self.refusal = request.error_detail.message if request.HasField("error_detail") else ""
        names = frozenset(request.resource_names_subscribe)
        _check(names, self._serves)
        for name in names:
            # Who subscribes again wants it again, unless he says (at the start of a stream) which one he has.
            self._sent[name] = request.initial_resource_versions.get(name)
        for name in request.resource_names_unsubscribe:
            self._sent.pop(name, None)

    def due(self, secrets: Secrets) -> DeltaDiscoveryResponse | None:
        there = ((secrets[name], version) for name, version in self._sent.items() if name in secrets)
        changed = [each for each, version in there if each.version != version]
        if not changed:
            return None
        self._nonce += 1
        response = DeltaDiscoveryResponse(type_url=TYPE_URL, nonce=str(self._nonce))
        for each in changed:
            self._sent[each.name] = each.version
            response.resources.add(name=each.name, version=each.version, resource=each.body)
        return response


def _check(names: frozenset[str], serves: Serves) -> None:
    unknown = [name for name in names if name not in NAMES and not serves(name)]
    if unknown:
        raise UnknownSecret(unknown)

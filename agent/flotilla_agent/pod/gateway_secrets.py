"""A gateway's TLS Secrets, from its own namespace to its own Envoy: Pilot names them and never sees a key.

Envoy asks for `kubernetes://<name>` (certificate and key) and `kubernetes://<name>-cacert` (what clients are verified
with), as Pilot compiles `credentialName`. Each Secret is watched by its name, so that rights on these names are enough.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from flotilla_agent.sds.pem import SecretRefused, check_pair, read_certificates
from flotilla_agent.sds.secrets import VersionedSecret, make_authority, make_pair
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.objects import Secret
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import SECRETS
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.settings import SettingsError

PREFIX = "kubernetes://"
AUTHORITY = "-cacert"
LARGEST_NUMBER = 500
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
CERTIFICATES, KEYS, AUTHORITIES = ("tls.crt", "cert"), ("tls.key", "key"), ("ca.crt", "cacert")
CRL = "ca.crl"

_log = get_logger(__name__)
Data = Mapping[str, bytes]


class GatewaySecrets:
    """ForeignSecrets of one namespace. `open_client` is called when the first is asked for, and may raise SettingsError."""

    def __init__(self, namespace: str, open_client: Callable[[], KubeClient]) -> None:
        self.problems: dict[str, str] = {}  # by Envoy's name: why it is not there
        self._namespace = namespace
        self._open = open_client
        self._client: KubeClient | None = None
        self._started = asyncio.Event()
        self._reflectors: dict[str, Reflector[Secret]] = {}
        self._data: dict[str, Data] = {}
        self._wanted: set[str] = set()
        self._current: dict[str, VersionedSecret] = {}
        self._subscribers: list[Callable[[], None]] = []
        self._tasks = Tasks("gateway secrets")

    @property
    def current(self) -> Mapping[str, VersionedSecret]:
        return MappingProxyType(self._current)

    def serves(self, name: str) -> bool:
        return name.startswith(PREFIX) and bool(_NAME.fullmatch(name.removeprefix(PREFIX)))

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def want(self, name: str) -> None:
        """Follow it from now on; what was asked for once is followed to the end."""
        if name in self._wanted:
            return
        if len(self._wanted) >= LARGEST_NUMBER:
            self._tell(name, f"more than {LARGEST_NUMBER} Secrets are asked for")
            return
        self._wanted.add(name)
        for secret in sources(name):
            self._follow(name, secret)

    async def stop(self) -> None:
        for each in self._reflectors.values():
            await each.stop()
        await self._tasks.stop()
        if self._client is not None:
            await self._client.stop()

    def _follow(self, name: str, secret: str) -> None:
        if secret in self._reflectors:
            return
        if self._client is None:
            try:
                self._client = self._open()
            except SettingsError as error:
                self._tell(
                    name, f"Secrets cannot be read: {error}; a gateway needs its service account's token and a Role"
                )
                return
            self._tasks.spawn(self._start(self._client), "client")
        reflector = Reflector(
            self._client,
            SECRETS,
            Secret,
            namespace=self._namespace,
            field_selector=f"metadata.name={secret}",
            on_change=self._changed,
        )
        self._reflectors[secret] = reflector
        self._tasks.spawn(self._begin(reflector), f"secret:{secret}")

    async def _start(self, client: KubeClient) -> None:
        await client.start()
        self._started.set()

    async def _begin(self, reflector: Reflector[Secret]) -> None:
        await self._started.wait()
        await reflector.start()
        await reflector.wait_synced()
        self._refresh()

    def _changed(self, change: Change[Secret]) -> None:
        name = change.key[1]
        if change.after is None:
            self._data.pop(name, None)
        else:
            self._data[name] = decoded(change.after.data or {})
        self._refresh()

    def _refresh(self) -> None:
        """What can be made of what there is. A Secret that went, or became bad, leaves what Envoy has."""
        for name in self._wanted:
            try:
                made = make(name, self._data)
            except SecretRefused as error:
                self._tell(name, str(error))
                continue
            self.problems.pop(name, None)
            self._current[name] = made
        for callback in list(self._subscribers):
            callback()

    def _tell(self, name: str, problem: str) -> None:
        if self.problems.get(name) != problem:
            self.problems[name] = problem
            _log.warning(
                "a gateway's certificate is not there", secret=name, namespace=self._namespace, problem=problem
            )


def sources(name: str) -> tuple[str, ...]:
    """The Secrets of which one of Envoy's names may be made, best first."""
    secret = name.removeprefix(PREFIX)
    if secret.endswith(AUTHORITY):
        return secret, secret.removesuffix(AUTHORITY)
    return (secret,)


def decoded(data: Mapping[str, str]) -> Data:
    """What is not base64 is left out: the API server takes nothing else."""
    found: dict[str, bytes] = {}
    for key, text in data.items():
        try:
            found[key] = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
    return found


def make(name: str, secrets: Mapping[str, Data]) -> VersionedSecret:
    """Pure. Raises SecretRefused."""
    secret = name.removeprefix(PREFIX)
    if secret.endswith(AUTHORITY):
        for source in sources(name):
            data = secrets.get(source, {})
            root = _first(data, AUTHORITIES)
            if root:
                read_certificates(f"Secret {source}", root)
                return make_authority(name, root, data.get(CRL, b""))
        raise SecretRefused(f"neither Secret {' nor '.join(sources(name))} has {' or '.join(AUTHORITIES)}")
    data = secrets.get(secret, {})
    chain, key = _first(data, CERTIFICATES), _first(data, KEYS)
    if not chain or not key:
        raise SecretRefused(f"there is no Secret {secret} with tls.crt and tls.key (or cert and key)")
    check_pair(f"Secret {secret}", chain, key)
    return make_pair(name, chain, key)


def _first(data: Data, keys: tuple[str, ...]) -> bytes:
    return next((data[key] for key in keys if data.get(key)), b"")

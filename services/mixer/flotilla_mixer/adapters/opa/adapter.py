"""Whether a policy in Rego lets a call pass (mixer.md 5.8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from google.protobuf.message import Message

from flotilla_mixer.adapters.opa.embedded import Compiled, EmbeddedPolicy, RegoProblem
from flotilla_mixer.adapters.opa.handler import ClosedHandler, OpaHandler
from flotilla_mixer.adapters.opa.server import ServerPolicy, ServerSettings
from flotilla_mixer.kit.adapter import Environment, Fault, Handler
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.opa.config.config_pb2 import Params

NANOSECONDS = 1_000_000_000
OPEN_CALLS, MOST_OPEN_CALLS = 32, 1024
TIMEOUT_SECONDS = 1.0
_RULE = re.compile(r"data(\.[A-Za-z_][A-Za-z0-9_]*)+\Z")


class Opa:
    """The adapter. `policy` is evaluated in Mixer, or `server` is asked: one of them. Neither, while nothing asks: it has
    no say.
    """

    name: ClassVar[str] = "opa"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((AUTHORIZATION.name,))

    def defaults(self) -> Message:
        return Params()

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        """Nothing is wrong with what fails closed: then the handler denies everything, as 1.4 has it."""
        return () if params.fail_close else list(_faults(params))

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> Handler:
        faults = list(_faults(params))
        if faults:
            first = f"{faults[0].field}: {faults[0].text}"
            if not params.fail_close:
                raise ValueError(first)
            environment.complain("parameters", "the parameters are wrong, and everything is denied", error=first)
            return ClosedHandler()
        if params.HasField("server"):
            if params.server.private_key:
                environment.secret(params.server.private_key)  # whether it may be read
            token = environment.secret(params.server.token_path) if params.server.token_path else None
            return OpaHandler(ServerPolicy(_settings(params), token), params.fail_close, environment)
        compiled = Compiled(params.policy, params.check_method)
        return OpaHandler(EmbeddedPolicy(compiled, environment.in_thread), params.fail_close, environment)


def _faults(params: Any) -> Iterable[Fault]:
    if not params.check_method:
        yield Fault("spec.params.checkMethod", "it is missing; name a rule, such as data.mixerauthz.allow.")
    if params.HasField("server"):
        if params.policy:
            yield Fault("spec.params.policy", "a server has its own modules; remove them, or the server.")
        yield from _server_faults(params)
    elif not any(params.policy):
        yield Fault("spec.params.policy", "there is none; write a module in Rego, or name a server.")
    elif params.check_method:
        try:
            Compiled(params.policy, params.check_method)
        except RegoProblem as error:
            yield Fault("spec.params.policy", f"{error}.")


def _server_faults(params: Any) -> Iterable[Fault]:
    server = params.server
    if params.check_method and not _RULE.match(params.check_method):
        text = f"a server is asked for a rule such as data.mixerauthz.allow, and not {params.check_method!r}."
        yield Fault("spec.params.checkMethod", text)
    if not _is_url(server.url):
        yield Fault("spec.params.server.url", f"{server.url!r} is no http or https URL with a host.")
    if server.private_key and not server.client_certificate:
        yield Fault("spec.params.server.privateKey", "a key needs its certificate; write clientCertificate too.")
    if _seconds(server.timeout) < 0:
        yield Fault("spec.params.server.timeout", "a time must not be negative.")
    if not 0 <= server.max_open_calls <= MOST_OPEN_CALLS:
        text = f"{server.max_open_calls} is no number of calls; write one up to {MOST_OPEN_CALLS}."
        yield Fault("spec.params.server.maxOpenCalls", text)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        return False


def _settings(params: Any) -> ServerSettings:
    server = params.server
    rule = params.check_method.removeprefix("data.").replace(".", "/")
    return ServerSettings(
        f"{server.url.rstrip('/')}/v1/data/{rule}",
        server.ca_certificates,
        server.client_certificate,
        server.private_key,
        _seconds(server.timeout) or TIMEOUT_SECONDS,
        server.max_open_calls or OPEN_CALLS,
    )


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)

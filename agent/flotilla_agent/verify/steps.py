"""What is proved, step by step. A step that does not hold raises Failed, with one sentence for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx

from flotilla_agent.verify.place import Place
from flotilla_agent.verify.review import call_webhook
from flotilla_agent.verify.xds import ask_pilot
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.identity import Certificate, SigningError, WorkloadIdentity

MONITORING, CITADEL, XDS, WEBHOOK = 15014, 8060, 15012, 443
CERTIFICATE_SECONDS = 3600
CALL_SECONDS = 5.0
PATHS = {"pilot": "/inject", "galley": "/validate"}


class Failed(Exception):
    """The step does not hold, yet."""


@dataclass
class Step:
    text: str
    do: Callable[[], Awaitable[None]]


@dataclass
class Verification:
    """The steps of one run: what one has got, the next may need."""

    place: Place
    certificate: Certificate | None = field(default=None)

    async def ready(self, service: str) -> None:
        url = f"http://{self.place.target(service, MONITORING)}/readyz"
        try:
            async with httpx.AsyncClient(timeout=CALL_SECONDS, trust_env=False) as client:
                answer = await client.get(url)
        except httpx.HTTPError as error:
            raise Failed(f"{url}: {str(error) or type(error).__name__}") from error
        if answer.status_code != 200:
            raise Failed(f"{url} answers {answer.status_code}: {_unmet(answer)}")

    async def sign(self) -> None:
        place = self.place
        client = CitadelClient(
            place.target("citadel", CITADEL), place.host("citadel"), place.root_file, place.token_file
        )
        try:
            self.certificate = await WorkloadIdentity(client, place.identity, CERTIFICATE_SECONDS).renew()
        except SigningError as error:
            raise Failed(str(error)) from error

    async def configure(self) -> None:
        if self.certificate is None:
            raise Failed("there is no certificate to show to Pilot")
        problem = await ask_pilot(self.place, self.place.target("pilot", XDS), self.certificate, CALL_SECONDS)
        if problem:
            raise Failed(problem)

    async def admit(self, service: str) -> None:
        place = self.place
        try:
            root = place.root_file.read_text()
        except OSError as error:
            raise Failed(f"the root certificate {place.root_file} cannot be read: {error.strerror}") from error
        problem = await call_webhook(
            place.target(service, WEBHOOK), place.host(service), PATHS[service], root, CALL_SECONDS
        )
        if problem:
            raise Failed(problem)


def _unmet(answer: httpx.Response) -> str:
    """What the service waits for, as it says itself."""
    try:
        conditions = answer.json()["conditions"]
        return "; ".join(f"{name}: {state}" for name, state in conditions.items() if state != "met")
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:200]


def steps(place: Place, services: Sequence[str], webhooks: Sequence[str]) -> list[Step]:
    """In the order in which a mesh comes up."""
    run = Verification(place)
    planned = [Step(f"{service} is ready", _of(run.ready, service)) for service in services]
    if "citadel" in services:
        planned.append(Step(f"citadel signs a certificate for {place.identity}", run.sign))
    if "pilot" in services:
        planned.append(Step("pilot has configuration for a proxy", run.configure))
    return planned + [Step(f"the webhook of {service} answers", _of(run.admit, service)) for service in webhooks]


def _of(do: Callable[[str], Awaitable[None]], service: str) -> Callable[[], Awaitable[None]]:
    return lambda: do(service)

"""The injection webhook: the API server asks about each new pod, and is answered with a patch that adds the proxy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flotilla_pilot.config import PilotSettings
from flotilla_pilot.injection.annotations import PROXY_CONFIG
from flotilla_pilot.injection.container import DNS_CAPTURE
from flotilla_pilot.injection.context import Injector, MeshFacts, beside_the_proxy
from flotilla_pilot.injection.decision import decide
from flotilla_pilot.injection.document import at
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.inject import inject
from flotilla_pilot.injection.patch import json_patch
from flotilla_pilot.injection.proxy_config import merged_proxy_config, unknown_field
from flotilla_pilot.injection.settings import InjectionConfig, InjectionValues
from flotilla_pilot.injection.url import PREFIX, environment_of
from flotilla_pilot.sources.injection_files import InjectionFiles
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.kube.admission import AdmissionAnswer, AdmissionRequest, Reply
from flotilla_shared.runtime.kube.admission_server import AdmissionServer
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import KubeMetrics
from flotilla_shared.runtime.kube.resources import MUTATING_WEBHOOKS
from flotilla_shared.runtime.kube.webhook import CaBundlePatcher
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics

REFUSED = 400
CONFIGURATION = "istio-sidecar-injector"
PEM = b"-----BEGIN CERTIFICATE-----"

_log = get_logger(__name__)
MeshOf = Callable[[], MeshConfig | None]


class InjectionMetrics:
    """`sidecar_injection_*` as Istio has them; safe to use from the threads that decide."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.requests = metrics.counter("sidecar_injection_requests_total", "Pods that the API server asked about")
        self.success = metrics.counter("sidecar_injection_success_total", "Pods that were injected")
        self.failure = metrics.counter("sidecar_injection_failure_total", "Pods that could not be injected")
        self.skip = metrics.counter("sidecar_injection_skip_total", "Pods that were not to be injected")
        self.seconds = metrics.histogram("sidecar_injection_time_seconds", "Time that a review took")

    def replied(self, reply: Reply) -> None:
        """Questions that were none: `decided` never saw them."""
        if reply.error:
            self.requests.inc()
            self.failure.inc()


class PodInjection:
    """Decides reviews; several threads may ask at once. What it decides by is replaced as a whole, never changed."""

    def __init__(self, settings: PilotSettings, mesh: MeshOf, metrics: InjectionMetrics) -> None:
        self._mesh = mesh
        self._metrics = metrics
        self._trust_domain = settings.trust_domain
        self._problem = "the injector's configuration has not been read yet"
        self._injector = Injector(revision=settings.revision, native=settings.native_sidecars)
        self._known: tuple[MeshConfig, MeshFacts] | None = None

    def configure(self, config: InjectionConfig, values: InjectionValues) -> None:
        self._injector = replace(self._injector, config=config, values=values)
        self._problem = ""

    def problem(self, text: str) -> None:
        """Why no configuration could be had; an earlier one goes on to count."""
        if self._problem:
            self._problem = text or self._problem

    def decide(self, request: AdmissionRequest, path: str) -> AdmissionAnswer:
        """Never raises for any request."""
        self._metrics.requests.inc()
        began = time.monotonic()
        try:
            return self._answer(request, path)
        except InjectionRefused as error:
            self._metrics.failure.inc()
            _log.warning("a pod cannot be injected", namespace=request.namespace, pod=_name(request), error=str(error))
            return AdmissionAnswer(False, str(error), code=REFUSED)
        finally:
            self._metrics.seconds.observe(time.monotonic() - began)

    def _answer(self, request: AdmissionRequest, path: str) -> AdmissionAnswer:
        if request.kind.kind != "Pod" or request.sub_resource or request.operation not in ("CREATE", ""):
            return self._skipped(request, "only new pods are injected")
        pod = request.object
        if pod is None:
            raise InjectionRefused("the review holds no pod")
        injector = self._ready()
        decision = decide(pod, request.namespace, injector.config)
        if not decision.inject:
            return self._skipped(request, decision.reason)
        injected = inject(injector, pod, request.namespace, environment=environment_of(path))
        self._metrics.success.inc()
        _log.debug("injected", namespace=request.namespace, pod=_name(request), reason=decision.reason)
        return AdmissionAnswer(True, warnings=_warnings(injector, pod), patch=json_patch(pod, injected))

    def _skipped(self, request: AdmissionRequest, reason: str) -> AdmissionAnswer:
        self._metrics.skip.inc()
        _log.debug("not injected", namespace=request.namespace, pod=_name(request), reason=reason)
        return AdmissionAnswer(True)

    def _ready(self) -> Injector:
        """Raises InjectionRefused while it is not known how to inject: a pod without the mesh's settings is worse."""
        if self._problem:
            raise InjectionRefused(f"Pilot cannot inject: {self._problem}")
        mesh = self._mesh()
        if mesh is None:
            raise InjectionRefused("Pilot cannot inject yet: the mesh configuration has not come from Galley")
        known = self._known
        if known is None or known[0] is not mesh:
            known = self._known = (mesh, mesh_facts(mesh, self._trust_domain))
        return replace(self._injector, mesh=known[1])


def mesh_facts(mesh: MeshConfig, trust_domain: str) -> MeshFacts:
    merges = not mesh.HasField("enable_prometheus_merge") or mesh.enable_prometheus_merge.value
    return MeshFacts(mesh.trust_domain or trust_domain, mesh.default_config, merges)


def _warnings(injector: Injector, pod: dict[str, Any]) -> tuple[str, ...]:
    own = at(pod, "metadata", "annotations", PROXY_CONFIG)
    found = [unknown_field(own)] if isinstance(own, str) else []
    config = merged_proxy_config(injector.mesh.default_config, own)
    if any(name.startswith(DNS_CAPTURE) for name in config.proxy_metadata):
        found.append(f"{DNS_CAPTURE}* has no effect: this proxy answers no DNS")
    found += [
        f"container {name} runs as user 1337, the proxy's: its calls pass by the proxy"
        for name in beside_the_proxy(pod)
    ]
    return tuple(each for each in found if each)


def _name(request: AdmissionRequest) -> str:
    metadata = (request.object or {}).get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return str(request.name or metadata.get("name") or f"{metadata.get('generateName', '')}*")


class InjectionWebhook:
    """Component: the server on 15017, the files it goes by, and the caBundle by which the API server trusts it."""

    def __init__(
        self,
        settings: PilotSettings,
        identity: IdentitySource,
        client: KubeClient,
        mesh: MeshOf,
        metrics: ServiceMetrics,
        kube_metrics: KubeMetrics,
    ) -> None:
        counted = InjectionMetrics(metrics)
        self._identity = identity
        self._root_file: Path = settings.root_cert_file
        self._client = client
        self.pods = PodInjection(settings, mesh, counted)
        self.files = InjectionFiles(settings.injection_dir, self.pods.configure, self.pods.problem)
        self.server = AdmissionServer(
            identity,
            {PREFIX: self.pods.decide},
            settings.address,
            settings.injection_port,
            on_reply=counted.replied,
        )
        name = settings.injection_webhook_name or _configuration_name(settings.revision)
        self.trusted = CaBundlePatcher(client, MUTATING_WEBHOOKS, name, self._root, metrics=kube_metrics)
        self._end: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Raises BindError."""
        await self._client.start()
        await self.files.start()
        await self.server.start()
        await self.trusted.start()
        self._end = self._identity.subscribe(lambda _: self.trusted.root_changed())

    async def stop(self) -> None:
        self._end()
        await self.trusted.stop()
        await self.server.stop()
        await self.files.stop()
        await self._client.stop()

    def _root(self) -> bytes:
        """The mesh's root: as the kubelet has it for all replicas, else as this one's certificate came with it."""
        try:
            found = self._root_file.read_bytes()
        except OSError:
            found = b""
        current = self._identity.current
        return found if PEM in found else (current.root_pem if current is not None else b"")


def _configuration_name(revision: str) -> str:
    return f"{CONFIGURATION}-{revision}" if revision else CONFIGURATION

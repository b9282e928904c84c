"""The agent of a pod, wired: one workload, its prober, its scraper."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from flotilla_agent.config import AgentSettings
from flotilla_agent.envoy.admin import open_client
from flotilla_agent.envoy.log import RelayedLog
from flotilla_agent.pod import app_probes, scrape
from flotilla_agent.pod.prober import Prober
from flotilla_agent.pod.scrape import Scraper
from flotilla_agent.pod.signing import ExplainingSigner
from flotilla_agent.pod.status_app import pod_app
from flotilla_agent.pod.workload import LOOPBACK, PodWorkload
from flotilla_agent.proxyless.workload import ProxylessWorkload
from flotilla_agent.status.living import LivingWorkload
from flotilla_agent.workload import Workload
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.lifecycle import Lifecycle

if TYPE_CHECKING:
    from flotilla_agent.pod.gateway_secrets import GatewaySecrets

SLACK_SECONDS = 15.0
LOCALHOST = "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION"


class PodAgent:
    """All parts; `lifecycle` starts and stops them. Raises PodRefused for probes or a scrape target that cannot be."""

    def __init__(self, settings: AgentSettings, config: PodWorkload, environ: Mapping[str, str]) -> None:
        self._client = open_client()
        legacy = environ.get(LOCALHOST, "").lower() == "true"
        probes = app_probes.read_probes(environ.get(app_probes.VARIABLE, ""))
        target = scrape.read_target(environ.get(scrape.VARIABLE, ""), config.status_port)
        self._prober = Prober(LOOPBACK if legacy else config.address, settings.run_dir / config.folder)
        status = partial(pod_app, probes=probes, prober=self._prober, scraper=Scraper(target, self._client))
        citadel = settings.citadel
        signer = CitadelClient(citadel.address, citadel.server_name, citadel.root_cert_file, config.token_file)
        explaining = ExplainingSigner(signer, config.token_file, citadel.root_cert_file, _account(config))
        self._secrets = gateway_secrets(config.namespace) if config.kind == "router" else None
        self.workload: LivingWorkload
        if config.kind == "grpc":
            self.workload = ProxylessWorkload(settings, config, explaining, status=status)
        else:
            self.workload = Workload(
                settings, config, explaining, self._client, status=status, log=RelayedLog(), foreign=self._secrets
            )
        self.lifecycle = Lifecycle(stop_seconds=settings.drain_seconds + SLACK_SECONDS)
        self.lifecycle.add(self, "clients")
        self.lifecycle.add(self.workload, "workload")

    async def start(self) -> None:
        """The clients open what they need when they need it."""

    async def stop(self) -> None:
        if self._secrets is not None:
            await self._secrets.stop()
        await self._prober.close()
        await self._client.aclose()


def gateway_secrets(namespace: str) -> GatewaySecrets:
    """Of this pod's namespace, by its service account's rights; the API server is called when Envoy asks for the first.

    Imported here: sidecars need nothing of it, and there are many.
    """
    from flotilla_agent.pod.gateway_secrets import GatewaySecrets
    from flotilla_shared.runtime.kube.client import KubeClient
    from flotilla_shared.runtime.kube.connection import KubeConnection

    return GatewaySecrets(namespace, lambda: KubeClient(KubeConnection.from_pod(), user_agent="flotilla-agent"))


def _account(config: PodWorkload) -> str:
    return f"{config.namespace}/{config.service_account}"


async def serve(settings: AgentSettings, config: PodWorkload, environ: Mapping[str, str]) -> int:
    """Run until told to stop; gives the process's exit code. Raises PodRefused."""
    return await PodAgent(settings, config, environ).lifecycle.run()

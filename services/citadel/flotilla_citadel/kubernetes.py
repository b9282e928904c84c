"""Citadel, wired for Kubernetes: the root in a Secret, published in ConfigMaps, callers by TokenReview.

    monitoring, introspection -> API server -> root loaded -> own certificate -> certificate service (8060)
    -> Secret watched, namespaces and ConfigMaps watched, leader elected -> root published

Every replica signs and watches; the one that holds the Lease writes ConfigMaps.
"""

from __future__ import annotations

from datetime import UTC

from flotilla_citadel.ca.root import Root
from flotilla_citadel.callers.kube_reviewer import KubeReviewer
from flotilla_citadel.callers.token_review import TokenReviewAuthenticator
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.publish.config_map import NAME as CONFIG_MAP
from flotilla_citadel.publish.config_map import Publication, citadel_id
from flotilla_citadel.publish.distribution import RootDistribution
from flotilla_citadel.publish.namespaces import Standing, State, foreign
from flotilla_citadel.servers.edges import add_edges
from flotilla_citadel.servers.issued import IssuedLog
from flotilla_citadel.servers.metrics import CitadelMetrics, ClusterMetrics
from flotilla_citadel.signing import Signing
from flotilla_citadel.store.load import load_shared_root
from flotilla_citadel.store.root_watch import RootWatch, SecretState
from flotilla_citadel.store.secret import NAME as SECRET
from flotilla_citadel.store.secret import SecretStore
from flotilla_shared.runtime.kube.client import open_client
from flotilla_shared.runtime.kube.events import EventWriter, Regarding
from flotilla_shared.runtime.kube.lease import LeaderElection
from flotilla_shared.runtime.kube.metrics import ApiServerMetrics
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.readiness import Readiness

SERVICE = "citadel"
LEASE = "istio-citadel-leader"

_log = get_logger(__name__)


class ClusterCitadel:
    """All parts of one Citadel on Kubernetes. Made on the event loop without being started; `lifecycle` starts and
    stops it, and its start waits for the root.

    Raises ConnectionSettingsError where the settings lead to no API server; the start raises StartRefused for a
    root that cannot be used.
    """

    def __init__(self, settings: CitadelSettings) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics(SERVICE)
        self.counted = CitadelMetrics(self.metrics)
        self.cluster_metrics = ClusterMetrics(self.metrics)
        self.kube_metrics = ApiServerMetrics(self.metrics)
        self.readiness = Readiness()
        self.issued = IssuedLog()
        self.client = open_client(settings, SERVICE)
        self.events = EventWriter(self.client, "istio-citadel", settings.own_name)
        self.rooted = Rooted(self)
        self.lifecycle = Lifecycle()
        topics = {"certificates": self.issued.view, "root": self.rooted.view}
        add_edges(self.lifecycle, settings, self.metrics, self.readiness, topics)
        self.lifecycle.add(self.client, "API server")
        self.lifecycle.add(self.events, "events")
        self.lifecycle.add(self.rooted, "root")


class Rooted:
    """Component: all that there is once there is a root. Its start waits for it; the parts are None until then."""

    def __init__(self, citadel: ClusterCitadel) -> None:
        self.signing: Signing | None = None
        self.watch: RootWatch | None = None
        self.distribution: RootDistribution | None = None
        self._citadel = citadel
        self._settings = citadel.settings
        self._loaded = citadel.readiness.condition("signer loaded")
        self._published = citadel.readiness.condition("root published")
        self._parts = Lifecycle()

    async def start(self) -> None:
        """Returns when certificates are signed. Raises StartRefused, BindError."""
        settings = self._settings
        self._published.unmet("the signer is not loaded yet")
        store = SecretStore(self._citadel.client, settings.root_namespace)
        root = await load_shared_root(store, settings.trust_domain, self._loaded.unmet)
        self._build(root)
        self._published.unmet(f"ConfigMap {settings.root_namespace}/{CONFIG_MAP} is not written yet")
        await self._parts.start()
        self._loaded.met()

    async def stop(self) -> None:
        await self._parts.stop()

    def _build(self, root: Root) -> None:
        citadel, settings = self._citadel, self._settings
        reviewer = KubeReviewer(citadel.client, settings.token_audiences, citadel.cluster_metrics.reviewed)
        reviews = TokenReviewAuthenticator(
            reviewer,
            audiences=settings.token_audiences,
            trust_domain=settings.trust_domain,
            cache_seconds=settings.token_review_cache_seconds,
        )
        self.signing = Signing(settings, root, citadel.counted, citadel.issued, reviews)
        self.watch = RootWatch(
            citadel.client,
            settings.root_namespace,
            root,
            metrics=citadel.kube_metrics,
            on_trouble=self._secret_in_trouble,
        )
        self.distribution = self._distribution(root)
        election = LeaderElection(
            citadel.client,
            settings.root_namespace,
            settings.revised(LEASE),
            settings.own_name,
            lambda: self._lead(True),
            lambda: self._lead(False),
        )
        self._parts.add(reviews, "token reviews")
        self.signing.add_to(self._parts)
        self._parts.add(self.watch, "root watch")
        self._parts.add(self.distribution, "root distribution")
        self._parts.add(election, "leader election")
        citadel.cluster_metrics.follow(self.watch, self.distribution)

    def _distribution(self, root: Root) -> RootDistribution:
        settings = self._settings
        mark = citadel_id(settings.root_namespace, settings.trust_domain, settings.revision)
        return RootDistribution(
            self._citadel.client,
            Publication(root.pem, mark),
            metrics=self._citadel.kube_metrics,
            on_standing=self._standing,
        )

    def _lead(self, leading: bool) -> None:
        _log.info("leads now" if leading else "leads no longer", lease=self._settings.revised(LEASE))
        if self.distribution is not None:
            self.distribution.lead(leading)
            for namespace in self.distribution.standings.all(State.FOREIGN):
                self._foreign_event(namespace)

    def _standing(self, namespace: str, standing: Standing) -> None:
        """Tell how a namespace stands now; our own decides whether we are ready."""
        if namespace == self._settings.root_namespace:
            if standing.trusted:
                self._published.met()
            elif standing.state is State.FOREIGN or not self._published.holds:
                self._published.unmet(standing.reason)
        if standing.state is State.FAILED:
            _log.warning("the root is not published", namespace=namespace, error=standing.reason)
        if standing.state is State.FOREIGN:
            _log.error("a foreign root is published", namespace=namespace, error=standing.reason)
            self._foreign_event(namespace)

    def _foreign_event(self, namespace: str) -> None:
        """One of the replicas tells; one that comes to lead tells what others may not have told."""
        if self.distribution is None or not self.distribution.leading:
            return
        regarding = Regarding("v1", "ConfigMap", CONFIG_MAP, namespace)
        self._citadel.events.write(regarding, "ForeignRoot", foreign(namespace).reason, "Warning")

    def _secret_in_trouble(self, state: SecretState, reason: str) -> None:
        regarding = Regarding("v1", "Secret", SECRET, self._settings.root_namespace)
        word = "RootSecretDeleted" if state is SecretState.DELETED else "RootSecretChanged"
        self._citadel.events.write(regarding, word, reason, "Warning")

    def view(self) -> dict[str, object]:
        """The topic `root`: which one signs, how its Secret and the ConfigMaps stand."""
        if self.signing is None or self.watch is None or self.distribution is None:
            return {"loaded": False, "reason": self._loaded.reason}
        certificate = self.signing.authority.signer.root.certificate
        return {
            "loaded": True,
            "serial": f"{certificate.serial_number:x}",
            "expires": certificate.not_valid_after_utc.astimezone(UTC).isoformat(),
            "secret": {"state": str(self.watch.state), "reason": self.watch.reason},
            "config_maps": self.distribution.view(),
        }

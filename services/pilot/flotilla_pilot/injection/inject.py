"""A pod with its proxy: the whole of injection, pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flotilla_pilot.injection.annotations import (
    OVERRIDES,
    PROXY_CONFIG,
    REWRITE,
    STATUS,
    TEMPLATES,
    check_annotations,
    is_true,
)
from flotilla_pilot.injection.container import pull_policy
from flotilla_pilot.injection.context import INIT, PROXY, Injector, PodContext, own_proxy
from flotilla_pilot.injection.document import Json, at, listing, mapping, named, texts
from flotilla_pilot.injection.earlier import SCRAPE, Earlier, take_out
from flotilla_pilot.injection.identity import CANONICAL_NAME, CANONICAL_REVISION, pod_identity
from flotilla_pilot.injection.merge import merge
from flotilla_pilot.injection.probes import VARIABLE as PROBERS
from flotilla_pilot.injection.probes import as_text as probers_text
from flotilla_pilot.injection.probes import redirect_probes
from flotilla_pilot.injection.proxy_config import merged_proxy_config
from flotilla_pilot.injection.settings import GRPC, SIDECAR, choose_templates
from flotilla_pilot.injection.templates import TEMPLATES as MADE
from flotilla_shared.model.owners import Owner

AUTO = "auto"
CONTAINER_LISTS = ("initContainers", "containers")
SCRAPED = ("scrape", "port", "path")
DEFAULT_CONTAINER = ("kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/default-logs-container")


def inject(
    injector: Injector,
    pod: Json,
    namespace: str,
    *,
    owner: Owner | None = None,
    environment: Mapping[str, str] | None = None,
) -> Json:
    """A new pod; the same again for a pod that was injected already. `environment` are variables of the webhook's path.

    Raises InjectionRefused, naming the annotation.
    """
    earlier = take_out(pod)
    annotations = texts(at(earlier.pod, "metadata", "annotations"))
    check_annotations(annotations)
    chosen = choose_templates(injector.config, annotations.get(TEMPLATES, ""), f"annotation {TEMPLATES}")
    context = PodContext(
        injector=injector,
        pod=earlier.pod,
        namespace=namespace,
        identity=pod_identity(earlier.pod, namespace, owner),
        proxy_config=merged_proxy_config(injector.mesh.default_config, annotations.get(PROXY_CONFIG)),
        own=own_proxy(earlier.pod),
        environment=environment or {},
    )
    return _injected(context, chosen, earlier)


def _injected(context: PodContext, chosen: tuple[str, ...], earlier: Earlier) -> Json:
    additions: Json = {}
    for name in chosen:
        additions = merge(additions, MADE[name](context))
    pod = merge(_without_own(earlier.pod), additions)
    pod["metadata"]["annotations"] = {**texts(at(pod, "metadata", "annotations")), **_annotations(context, chosen)}
    pod["metadata"]["labels"] = {**_labels(context), **texts(at(pod, "metadata", "labels"))}
    if overrides := _apply_own(pod, context):
        pod["metadata"]["annotations"][OVERRIDES] = _text(overrides)
    _order(pod, context, held=context.holds or GRPC in chosen)
    _redirect(pod, context, earlier)
    pod["metadata"]["annotations"][STATUS] = _status(additions, context)
    return pod


def _without_own(pod: Json) -> Json:
    """Without containers that the template has under the same name: they come back over the template."""
    spec = mapping(pod.get("spec"))
    kept = {
        name: [each for each in listing(spec.get(name)) if each.get("name") not in (PROXY, INIT)]
        for name in CONTAINER_LISTS
    }
    return {**pod, "spec": {**spec, **{name: each for name, each in kept.items() if each or name in spec}}}


def _apply_own(pod: Json, context: PodContext) -> Json:
    """The user's containers over ours, in place; gives them as they must be kept for the next injection."""
    overrides: Json = {}
    for name in CONTAINER_LISTS:
        for own in listing(at(context.pod, "spec", name)):
            if own.get("name") in (PROXY, INIT):
                kept = _kept(own, context)
                place = _place(pod, str(own["name"]))
                overrides.setdefault(place or name, []).append(kept)
                spec = pod["spec"]
                if place is None:
                    spec[name] = [*(spec.get(name) or []), own]
                else:
                    spec[place] = [
                        merge(each, _fitting(kept, context)) if each.get("name") == own["name"] else each
                        for each in spec[place]
                    ]
    return overrides


def _kept(own: Json, context: PodContext) -> Json:
    """What the user wrote. `auto` means our image; the API server then took its missing tag for `latest` and so said
    Always, which is nobody's wish where the values have another.
    """
    if own.get("image") != AUTO:
        return own
    dropped = (
        {"image", "imagePullPolicy"} if own.get("imagePullPolicy") == "Always" and pull_policy(context) else {"image"}
    )
    return {key: value for key, value in own.items() if key not in dropped}


def _fitting(own: Json, context: PodContext) -> Json:
    """Transparent sockets need user 0, whatever the user of the mesh asked for."""
    rights = mapping(own.get("securityContext"))
    if context.mode != "TPROXY" or own.get("name") != PROXY or not rights:
        return own
    return {**own, "securityContext": {key: value for key, value in rights.items() if key != "runAsUser"}}


def _place(pod: Json, name: str) -> str | None:
    return next((place for place in CONTAINER_LISTS if named(listing(at(pod, "spec", place)), name)), None)


def _labels(context: PodContext) -> dict[str, str]:
    found = {CANONICAL_NAME: context.identity.canonical_name, CANONICAL_REVISION: context.identity.canonical_revision}
    return {name: value for name, value in found.items() if value}


def _annotations(context: PodContext, chosen: tuple[str, ...]) -> dict[str, str]:
    found = {"istio.io/rev": context.injector.revision_name, **context.injector.config.annotations}
    own = context.annotations
    if SIDECAR in chosen and context.applications:
        first = str(context.applications[0].get("name"))
        found.update({name: own.get(name, first) for name in DEFAULT_CONTAINER})
    if _merges_metrics(context):
        found.update({"prometheus.io/scrape": "true", "prometheus.io/port": str(context.status_port)})
        found["prometheus.io/path"] = "/stats/prometheus"
    return found


def _merges_metrics(context: PodContext) -> bool:
    own = context.annotations
    if not is_true(own, "prometheus.istio.io/merge-metrics", context.injector.mesh.prometheus_merge):
        return False
    return own.get("prometheus.io/scrape", "true") != "false" and context.status_port > 0


def _scrape(context: PodContext, earlier: Earlier) -> str:
    """Where the application's metrics are: what its annotations said before they were replaced."""
    if not _merges_metrics(context):
        return ""
    own = {
        name: context.annotations[f"prometheus.io/{name}"]
        for name in SCRAPED
        if f"prometheus.io/{name}" in context.annotations
    }
    if own.get("port") == str(context.status_port) and own.get("path") == "/stats/prometheus":
        return earlier.scrape
    return _text(own) if own else ""


def _redirect(pod: Json, context: PodContext, earlier: Earlier) -> None:
    """The last changes: variables of the proxy that tell of the application's probes and metrics."""
    told: dict[str, str] = {}
    webhook = context.values.truth("sidecarInjectorWebhook", "rewriteAppHTTPProbe")
    if is_true(context.annotations, REWRITE, webhook) and context.status_port:
        probers = redirect_probes(pod["spec"], context.status_port, earlier.probers)
        told[PROBERS] = probers_text(probers) if probers else ""
    told[SCRAPE] = _scrape(context, earlier)
    place = _place(pod, PROXY)
    proxy = named(pod["spec"][place], PROXY) if place else None
    if proxy is not None:
        given = listing(proxy.get("env"))
        proxy["env"] = [*given, *({"name": name, "value": value} for name, value in told.items() if value)]


def _order(pod: Json, context: PodContext, *, held: bool) -> None:
    """istio-init before whatever goes on beside the application, behind the user's own; the proxy last, or first where the
    application waits for it. Native: both before all others, which then can call out.
    """
    spec = pod["spec"]
    init, containers = listing(spec.get("initContainers")), listing(spec.get("containers"))
    if context.native:
        init = _first(init, INIT, PROXY)
    else:
        init = _last(init, INIT)
        containers = _first(containers, PROXY) if held else _last(containers, PROXY)
    spec["containers"] = containers
    if init:
        spec["initContainers"] = init


def _first(containers: list[Json], *names: str) -> list[Json]:
    ahead = [each for name in names if (each := named(containers, name)) is not None]
    return ahead + [each for each in containers if each.get("name") not in names]


def _last(containers: list[Json], name: str) -> list[Json]:
    return [each for each in containers if each.get("name") != name] + [
        each for each in containers if each.get("name") == name
    ]


def _status(additions: Json, context: PodContext) -> str:
    """What was added by name. To the user's own containers something may be added, but they are not ours."""
    own = [each.get("name") for each in context.applications]
    spec = mapping(additions.get("spec"))
    lists = ("initContainers", "containers", "volumes", "imagePullSecrets")
    added = {name: [each["name"] for each in listing(spec.get(name))] for name in lists}
    found = {
        name: [each for each in names if each not in own or name != "containers"] or None
        for name, names in added.items()
    }
    return _text({**found, "revision": context.injector.revision_name})


def _text(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))

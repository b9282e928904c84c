"""TLS of clusters."""

from collections.abc import Mapping
from typing import Any

from flotilla_pilot.compile.cluster_tls import wanted_tls
from flotilla_pilot.compile.clusters import outbound as build
from flotilla_pilot.compile.names import outbound_sni
from flotilla_pilot.model.caller import ClientFiles
from flotilla_pilot.testing.equal_forms import plain_names
from flotilla_pilot.testing.recorded_clusters import (
    HOST,
    PORT,
    Pair,
    as_json,
    discovered,
    entry,
    outbound,
    outbound_of,
    rule,
)
from flotilla_pilot.testing.rows import Skipped

_UNKNOWN, _DISABLE = 0, 1
_OUTSIDE = ("SIMPLE", "MUTUAL")
LABELS = {"app": "a"}


def contexts(case: Any) -> Pair:
    """The whole TLS context. A table has the settings as they are after the defaults were found."""
    tls, options = case["tls"], case.get("opts", {})
    selects = options.get("isDrWithSelector", False)
    if tls.get("credentialName") and tls["mode"] in _OUTSIDE and not (selects or case.get("router")):
        raise Skipped("a sidecar that may not have a certificate cannot call; Istio's calls in plaintext (ADR 0097)")
    sans = options.get("serviceAccounts", []) if options.get("serviceRegistry") == "External" else []
    service = entry(HOST, "GRPC" if case.get("h2") else "TCP", subjectAltNames=sans)
    ruled = rule(HOST, tls=tls)
    if selects:
        ruled["spec"]["workloadSelector"] = {"matchLabels": LABELS}
    given = outbound_of([service, ruled], options.get("mesh"), labels=LABELS)
    found = as_json(build(given)).get("transportSocket", {}).get("typedConfig")
    wanted = (case.get("result") or {}).get("tlsContext")
    return comparable(found), comparable(wanted)


def unverified(case: Any) -> Pair:
    """One of them whole, of a rule for a service of Kubernetes that has no names of its own."""
    host = case["destRule"]["host"]
    spec = {**case["destRule"]}
    spec.pop("workloadSelector", None)
    ruled = {**rule(host), "spec": spec}
    protocol = "TCP" if spec["trafficPolicy"]["tls"]["mode"] == "ISTIO_MUTUAL" else case["port"]["Protocol"]
    found = outbound(host, entry(host, protocol), ruled)
    return comparable(found.get("transportSocket", {}).get("typedConfig")), comparable(case.get("expectTLSContext"))


def comparable(context: Mapping[str, Any] | None) -> Any:
    """Without the words of ALPN that only Istio's own servers and filters know, and without the source of secrets that
    have a name in Kubernetes: the agent serves them, not the control plane."""
    if context is None:
        return None
    common = {**context["commonTlsContext"]}
    if "alpnProtocols" in common:
        common["alpnProtocols"] = [each for each in common["alpnProtocols"] if not each.startswith("istio-")]
    common["tlsCertificateSdsSecretConfigs"] = [_secret(e) for e in common.get("tlsCertificateSdsSecretConfigs", ())]
    combined = {**common.get("combinedValidationContext", {})}
    if combined:
        combined["validationContextSdsSecretConfig"] = _secret(combined["validationContextSdsSecretConfig"])
        combined["defaultValidationContext"] = _names(combined.get("defaultValidationContext", {}))
    typed = {name: value for name, value in context.items() if name != "@type"}
    return {**typed, "commonTlsContext": {**common, "combinedValidationContext": combined}}


def _secret(secret: Mapping[str, Any]) -> Any:
    return secret["name"] if secret["name"].startswith("kubernetes://") else secret


def _names(validation: Mapping[str, Any]) -> Any:
    rest = {name: value for name, value in validation.items() if name != "matchTypedSubjectAltNames"}
    typed = validation.get("matchTypedSubjectAltNames")
    return {**rest, **dict([plain_names(typed)])} if typed else rest


def wanted(case: Any) -> Pair:
    """What is asked for; the name that the mesh gives by itself is the row's where nothing states one."""
    meta = (case.get("proxy") or {}).get("Metadata") or {}
    files = None
    if meta.get("TLSClientCertChain"):
        files = ClientFiles(meta["TLSClientCertChain"], meta["TLSClientKey"], meta["TLSClientRootCert"])
    location = "MESH_EXTERNAL" if case.get("meshExternal") else "MESH_INTERNAL"
    documents = [entry(HOST, location=location, subjectAltNames=case.get("sans", ()))]
    if "tls" in case:
        documents.append(rule(HOST, tls=case["tls"]))
    refuses = case.get("serviceMTLSMode", _UNKNOWN) in (_UNKNOWN, _DISABLE)
    mesh = {"enableAutoMtls": case.get("autoMTLSEnabled", False)}
    found = wanted_tls(outbound_of(documents, mesh, refuses_tls=refuses, files=files))
    settings = as_json(found.settings) if found.settings is not None else None
    if settings and settings.get("sni") == outbound_sni(PORT, "", HOST):
        settings["sni"] = case["sni"]
    return (settings, found.by_endpoint), (case.get("want"), case.get("wantCtxType", 0) == 1)


def sockets(case: Any) -> Pair:
    """Whether there is one socket, or one for each kind of endpoint."""
    documents = [entry(HOST, "GRPC" if case.get("h2") else "HTTP", **discovered(case.get("discoveryType", 3)))]
    detected = case.get("mtlsCtx") == 1
    if "tls" in case and not detected:
        documents.append(rule(HOST, tls=case["tls"]))
    found = outbound(HOST, *documents, mesh={"enableAutoMtls": detected})
    kinds = tuple(name in found for name in ("transportSocket", "transportSocketMatches"))
    return kinds, (case.get("expectTransportSocket", False), case.get("expectTransportSocketMatch", False))


def announced(case: Any) -> Pair:
    policy = {"proxyProtocol": case["proxyProtocolSettings"], **({"tls": case["tls"]} if "tls" in case else {})}
    detected = case.get("mtlsCtx") == 1
    if detected:
        policy.pop("tls")
    service = entry(HOST, **discovered(case.get("discoveryType", 3)))
    found = outbound(HOST, service, rule(HOST, **policy), mesh={"enableAutoMtls": detected})
    held = [found["transportSocket"]] if "transportSocket" in found else []
    held += [each["transportSocket"] for each in found.get("transportSocketMatches", ())]
    inner = {each["name"]: each["typedConfig"]["config"].get("version", "V1") for each in held}
    version = case["proxyProtocolSettings"].get("version", "V1")
    kinds = tuple(name in found for name in ("transportSocket", "transportSocketMatches"))
    wanted_kinds = case.get("expectTransportSocket", False), case.get("expectTransportSocketMatch", False)
    return (kinds, inner), (wanted_kinds, {"envoy.transport_sockets.upstream_proxy_protocol": version})


def server_name(case: Any) -> Pair:
    found = as_json(build(outbound_of([entry(HOST), rule(HOST, tls={"mode": "ISTIO_MUTUAL", "sni": case["sni"]})])))
    return found["transportSocket"]["typedConfig"]["sni"], case["expected"]

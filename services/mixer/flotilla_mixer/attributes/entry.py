"""What HTTP and TCP log entries have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flotilla_mixer.attributes.parts import put_address, put_destination
from flotilla_mixer.attributes.trust import Direction, Trust, bare
from flotilla_shared.model.expressions import Timestamp

Bag = dict[str, object]
API_KEY = "request.api_key"
MAPPED_CODE = "check.http_code"  # of Mixer's own answer, in its dynamic metadata; no attribute of 1.4


def common_bag(common: Any, tags: Mapping[str, str], carrier: str, direction: Direction, trust: Trust) -> Bag:
    """The bag of an entry's `common_properties`. `carrier` is the tag that holds the static attributes of the
    route or the listener; what was sent to an upstream cluster has that cluster's, which is more exact.
    """
    bag: Bag = {"context.reporter.kind": direction, "context.reporter.local": direction == "inbound"}
    bag["context.time"] = bag["context.timestamp"] = Timestamp(time.time_ns())
    flags = tags.get("flags", "-")
    if flags != "-":
        bag["context.proxy_error_code"] = flags
    bag |= trust.static(_static(tags, carrier, direction), direction)
    put_address(bag, "source", common.downstream_direct_remote_address)
    put_address(bag, "origin", common.downstream_remote_address)
    bag.pop("origin.port", None)
    if direction == "outbound":
        _put_outbound(bag, common, tags, trust)
    else:
        _put_inbound(bag, common, trust)
    return bag


def _static(tags: Mapping[str, str], carrier: str, direction: Direction) -> str:
    if direction == "outbound" and tags.get("cluster", "-") not in ("", "-", "{}"):
        return tags["cluster"]
    return tags.get(carrier, "")


def _put_outbound(bag: Bag, common: Any, tags: Mapping[str, str], trust: Trust) -> None:
    """The reporter is the source; the destination is who answered with which certificate."""
    bag |= trust.reporter.source
    bag["context.reporter.uid"] = trust.reporter.source["source.uid"]
    own, other = bare(tags.get("local", "")), bare(tags.get("peer", ""))
    bag["connection.mtls"] = bool(own and other)
    if own:
        bag["source.principal"] = own
    if other:
        bag["destination.principal"] = other
    if common.HasField("upstream_remote_address"):
        put_address(bag, "destination", common.upstream_remote_address)
        peer = trust.peer(common.upstream_remote_address.socket_address.address, other)
        if peer is not None:
            put_destination(bag, peer)


def _put_inbound(bag: Bag, common: Any, trust: Trust) -> None:
    """The reporter is the destination; the source is the direct peer, by its certificate."""
    put_address(bag, "destination", common.downstream_local_address)
    put_destination(bag, trust.reporter)
    bag["context.reporter.uid"] = trust.reporter.destination["destination.uid"]
    tls = common.tls_properties
    own, other = _uri(tls.local_certificate_properties), _uri(tls.peer_certificate_properties)
    bag["connection.mtls"] = bool(other)
    if tls.tls_sni_hostname:
        bag["connection.requested_server_name"] = tls.tls_sni_hostname
    if other:
        bag["source.principal"] = bag["source.user"] = other
    if own:
        bag["destination.principal"] = own
    peer = trust.peer(common.downstream_direct_remote_address.socket_address.address, other)
    if peer is not None:
        bag |= peer.source


def _uri(certificate: Any) -> str:
    """The first URI name of a certificate, as a principal; empty without one."""
    for name in certificate.subject_alt_name:
        if name.uri:
            return bare(name.uri)
    return ""


def put_verdict(bag: Bag, common: Any, filter_name: str) -> None:
    """What Mixer itself had said to the request or connection: the dynamic metadata of its answer."""
    said = common.metadata.filter_metadata
    if filter_name not in said:
        return
    for name, value in said[filter_name].fields.items():
        if name in ("check.error_message", API_KEY):
            bag[name] = value.string_value
        elif name in ("check.error_code", MAPPED_CODE):
            bag[name] = int(value.number_value)

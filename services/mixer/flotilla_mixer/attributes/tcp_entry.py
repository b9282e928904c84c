"""From a TCP access-log entry to bags: one for each event of the connection that it tells."""

from __future__ import annotations

from typing import Any

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType

from flotilla_mixer.attributes.connections import ConnectionTable
from flotilla_mixer.attributes.entry import MAPPED_CODE, Bag, common_bag, put_verdict
from flotilla_mixer.attributes.parts import duration, timestamp
from flotilla_mixer.attributes.trust import Direction, Trust

EXT_AUTHZ = "envoy.filters.network.ext_authz"


def tcp_bags(
    entry: Any, direction: Direction, trust: Trust, table: ConnectionTable, *, stream_began_ns: int, now: float
) -> list[Bag]:
    """The bags of an entry. `stream_began_ns`: when the log stream that brought it began, since 1970."""
    common, totals = entry.common_properties, entry.connection_properties
    ended = common.access_log_type == AccessLogType.TcpConnectionEnd or not common.intermediate_log_entry
    changes = table.update(
        common.stream_id,
        totals.received_bytes,
        totals.sent_bytes,
        ended=ended,
        from_its_start=_is_first(common, stream_began_ns),
        now=now,
    )
    bag = common_bag(common, common.custom_tags, "listener", direction, trust)
    bag["context.protocol"] = "tcp"
    bag["connection.id"] = common.stream_id
    bag["connection.received.bytes_total"] = totals.received_bytes
    bag["connection.sent.bytes_total"] = totals.sent_bytes
    put_verdict(bag, common, EXT_AUTHZ)
    bag.pop(MAPPED_CODE, None)
    bags = [
        bag
        | {
            "connection.event": change.event,
            "connection.received.bytes": change.received,
            "connection.sent.bytes": change.sent,
        }
        for change in changes
    ]
    if ended:
        bags[-1]["connection.duration"] = duration(common.duration)
    return bags


def _is_first(common: Any, stream_began_ns: int) -> bool:
    """Whether an unknown connection begins with this entry.

    It does when the entry says so, when the connection is younger than the stream, and when it never reached an
    upstream: denied ones have no other entry.
    """
    return (
        common.access_log_type == AccessLogType.TcpUpstreamConnected
        or not common.HasField("upstream_remote_address")
        or timestamp(common.start_time) >= stream_began_ns
    )

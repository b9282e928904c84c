"""Header operations of a VirtualService, kept to what Envoy takes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption

from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Headers, HTTPRoute, HTTPRouteDestination

_AUTHORITY = ("host", ":authority")
_HEADER = r"\([\w:.-]+(\?[\w:.-]+)?\)(:\d+)?"
_COMMAND = re.compile(
    rf"%((REQ|RESP){_HEADER}|DYNAMIC_METADATA\([\w.:-]+\)(:\d+)?|START_TIME|PROTOCOL|RESPONSE_CODE|HOSTNAME"
    r"|UPSTREAM_HOST|UPSTREAM_CLUSTER|DOWNSTREAM_REMOTE_ADDRESS(_WITHOUT_PORT)?|DOWNSTREAM_LOCAL_ADDRESS"
    r"(_WITHOUT_PORT)?|DOWNSTREAM_PEER_URI_SAN|DOWNSTREAM_PEER_SUBJECT|DOWNSTREAM_TLS_VERSION"
    r"|REQUESTED_SERVER_NAME|ROUTE_NAME|STREAM_ID)%|%%"
)
"""The commands of Envoy's that a header's value may have, with just the arguments that each one takes."""

RESERVED_HEADER = "host and names that begin with ':' can only be set on requests; this operation is left out"


def apply_headers(target: Any, headers: Headers) -> Iterable[str]:
    """Write `headers` into a Route or a ClusterWeight; yields the names that Envoy would refuse.

    Setting first, then adding. Setting `host` is a rewrite and is left to `host_rewrite`; other changes of
    `host` and of pseudo-headers are refused by Envoy with the whole route table, so they are left out.
    """
    for side in ("request", "response"):
        if not headers.HasField(side):
            continue
        operations = getattr(headers, side)
        options = getattr(target, f"{side}_headers_to_add")
        for name, value in sorted(operations.set.items()):
            if not _is_reserved(name):
                options.append(_option(name, value, HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD))
            elif side == "response" or name.lower() not in _AUTHORITY:
                yield f"{side}.set[{name}]"
        for name, value in sorted(operations.add.items()):
            if _is_reserved(name):
                yield f"{side}.add[{name}]"
            else:
                options.append(_option(name, value, HeaderValueOption.APPEND_IF_EXISTS_OR_ADD))
        for index, name in enumerate(operations.remove):
            if _is_reserved(name):
                yield f"{side}.remove[{index}]"
            else:
                getattr(target, f"{side}_headers_to_remove").append(name)


def stated_headers(part: HTTPRoute | HTTPRouteDestination) -> Headers:
    """All that a rule or a destination says of headers, what it says in the fields of before 1.0 among it.

    These add and remove; a header that `headers` adds too is added as it says.
    """
    before = [(side, kind, each) for side, kind, field in _BEFORE if (each := getattr(part, field, None))]
    if not before:
        return part.headers
    answer = Headers()
    for side, kind, each in before:
        operations = getattr(answer, side)
        if kind == "add":
            operations.add.update(each)
        else:
            operations.remove.extend(each)
    answer.MergeFrom(part.headers)
    return answer


_BEFORE = (
    ("request", "add", "append_headers"),
    ("request", "add", "append_request_headers"),
    ("request", "remove", "remove_request_headers"),
    ("response", "add", "append_response_headers"),
    ("response", "remove", "remove_response_headers"),
)
"""The fields that 1.4 still read."""


def host_rewrite(headers: Headers) -> str:
    """The host that setting `host` or `:authority` asks for; empty if none does."""
    return _host(headers.request.set)


def _host(stated: Mapping[str, str]) -> str:
    return next((value for name, value in sorted(stated.items()) if name.lower() in _AUTHORITY), "")


def _is_reserved(name: str) -> bool:
    return not name or name.startswith(":") or name.lower() == "host"


def _option(name: str, value: str, action: int) -> HeaderValueOption:
    """An empty value is written too: without being told, Envoy would leave the header as it came."""
    header = HeaderValue(key=name, value=_literal(value))
    return HeaderValueOption(header=header, append_action=action, keep_empty_value=not value)


def _literal(value: str) -> str:
    """`%` that begins no command of Envoy's must be doubled, or Envoy refuses the route table."""
    kept, position = [], 0
    for command in _COMMAND.finditer(value):
        kept += [value[position : command.start()].replace("%", "%%"), command.group()]
        position = command.end()
    return "".join([*kept, value[position:].replace("%", "%%")])

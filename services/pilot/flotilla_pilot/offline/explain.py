"""What a call passes through, from the caller's proxy to the application, and what each step was made from."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, CompiledProxy
from flotilla_pilot.model.proxy import ROUTER, Proxy
from flotilla_pilot.model.services import TLS_ISTIO, Endpoint
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.offline.calls import Call
from flotilla_pilot.offline.dialling import by_listener
from flotilla_pilot.offline.player import Passage, Player
from flotilla_pilot.offline.render import tree
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey

Part = Mapping[str, Any]
ProxyOf = Callable[[Endpoint], Proxy]
Sent = Callable[[Proxy], tuple[CompiledProxy, str] | None]
"""What a proxy holds, and what of it the proxy has not taken; None where that is not known."""
_RULES = "/virtual-service/"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the call passes through. `what` is the kind of it, `made_from` the objects that say so, sorted."""

    what: str
    name: str
    detail: str = ""
    made_from: tuple[ObjectKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """The call at one proxy. `error` is one word where it ends here; `delivered` what the proxy has not taken yet."""

    proxy: str
    steps: tuple[Step, ...]
    error: str = ""
    delivered: str = ""


def explain(
    snapshot: MeshSnapshot, caller: Proxy, call: Call, proxy_of: ProxyOf, sent: Sent | None = None
) -> tuple[Side, ...]:
    """The caller's side, then the side of every workload that may answer, as far as the mesh knows it.

    `proxy_of` gives the proxy beside an endpoint, `sent` what a proxy holds; without it everything is compiled here.
    """
    sent = sent or _compiled_here(snapshot)
    held = sent(caller)
    if held is None:
        return (_unknown(caller),)
    compiled, delivered = held
    resources = tree(compiled)
    redirects = caller.intercepts and caller.kind != ROUTER
    passage = Player(resources, redirects=redirects).play(
        call if redirects else by_listener(call, resources["listeners"])
    )
    sides = [Side(_name(caller), tuple(_steps(passage, compiled, resources)), passage.error, delivered)]
    for endpoint, port, mutual in _answering(passage, resources, snapshot):
        sides.append(_inbound(sent, replace(call, port=port), endpoint, proxy_of(endpoint), mutual=mutual))
    return tuple(sides)


def _compiled_here(snapshot: MeshSnapshot) -> Sent:
    compiler = Compiler()
    return lambda proxy: (compiler.compile(snapshot, proxy), "")


def _unknown(proxy: Proxy) -> Side:
    return Side(_name(proxy), (Step("proxy", "not connected here", "what it holds is not known"),))


def _name(proxy: Proxy) -> str:
    return f"{proxy.name}.{proxy.namespace}"


def _steps(passage: Passage, compiled: CompiledProxy, resources: Any) -> Iterator[Step]:
    if not passage.listener:
        return
    listener = str(passage.listener["name"])
    stated = _made_from(compiled, LISTENER, listener)
    yield Step("listener", listener, _address(passage.listener["address"]), stated)
    if passage.chain:
        yield Step("filter chain", passage.chain.get("name", "") or "without a name", _match(passage.chain))
    if passage.table:
        name = str(passage.table.get("name", ""))
        yield Step("route table", name, "in the listener" if passage.inline else "")
    if passage.host:
        yield Step("virtual host", str(passage.host["name"]), ", ".join(passage.host["domains"][:4]))
    if passage.route:
        yield Step("route", _route_name(passage), _action(passage.route), _rules(passage, compiled))
    for name, weight in passage.clusters:
        yield from _cluster(name, weight, passage, compiled, resources)


def _made_from(compiled: CompiledProxy, type_url: str, name: str) -> tuple[ObjectKey, ...]:
    found = compiled.resources[type_url].get(name)
    return tuple(sorted(found.depends_on)) if found is not None else ()


def _address(address: Part) -> str:
    place = address.get("socket_address", {})
    return f"{place.get('address', '')}:{place.get('port_value', '')}" if place else str(address)


def _match(chain: Part) -> str:
    """What the chain asks of a connection, and what it does about encryption."""
    asked = [f"{name} {_short(value)}" for name, value in chain.get("filter_chain_match", {}).items()]
    ends = ["ends mutual TLS" if _mutual(chain) else "ends TLS"] if "transport_socket" in chain else []
    return "; ".join([*asked, *ends])


def _mutual(chain: Part) -> bool:
    return bool(chain["transport_socket"]["typed_config"].get("require_client_certificate"))


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_short(each) for each in value)
    if isinstance(value, dict):
        return f"{value.get('address_prefix', '')}/{value.get('prefix_len', '')}"
    return str(value)


def _route_name(passage: Passage) -> str:
    """The route's name, else its place among the host's."""
    index = passage.host.get("routes", []).index(passage.route)
    return passage.route.get("name") or f"the {index + 1}. of {len(passage.host['routes'])}"


def _action(route: Part) -> str:
    """What the route asks of a request, and what is done with it, in words."""
    match, action = route["match"], route.get("route", {})
    found = [f"{name} {_words(value)}" for name, value in match.items() if name not in _LISTS]
    found += [f"{word} {each['name']}" for name, word in _LISTS.items() for each in match.get(name, ())]
    if "redirect" in route:
        found.append("redirects")
    if "direct_response" in route:
        found.append(f"answers {route['direct_response'].get('status')}")
    found += [f"{word} {action[name]}" for name, word in _DOES.items() if name in action]
    if "retry_policy" in action:
        found.append(f"retries {action['retry_policy'].get('num_retries', 1)}")
    return "; ".join(found)


_LISTS = {"headers": "header", "query_parameters": "query parameter"}
_DOES = {"timeout": "timeout", "prefix_rewrite": "rewrites to"}


def _words(value: Any) -> str:
    return str(value["regex"] if isinstance(value, dict) and "regex" in value else value)


def _rules(passage: Passage, compiled: CompiledProxy) -> tuple[ObjectKey, ...]:
    """The VirtualService that the route names as its own; without one it comes from the service alone."""
    config = passage.route.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
    before, found, name = str(config).partition(_RULES)
    if not found:
        return ()
    namespace = before.rpartition("/namespaces/")[2].rpartition("/")[2] or before.rpartition("/")[2]
    wanted = ObjectKey(kinds.VIRTUAL_SERVICES, namespace, name)
    tables = [each.depends_on for each in compiled.resources[ROUTES].values()]
    known = frozenset().union(*tables) if tables else frozenset()
    return (wanted,) if wanted in known else ()


def _cluster(name: str, weight: int, passage: Passage, compiled: CompiledProxy, resources: Any) -> Iterator[Step]:
    cluster = resources["clusters"].get(name)
    if cluster is None:
        yield Step("cluster", name, "the proxy has none of this name: calls are answered 503")
        return
    share = f"weight {weight}; " if len(passage.clusters) > 1 else ""
    kind = cluster.get("type") or cluster.get("cluster_type", {}).get("name", "STATIC")
    detail = f"{share}{kind}; {_encryption(cluster)}"
    yield Step("cluster", name, detail, _made_from(compiled, CLUSTER, name))
    ends = list(_endpoints(name, resources))
    if ends:
        shown = ", ".join(f"{address}:{port}" for address, port in ends[:8]) + (" ..." if len(ends) > 8 else "")
        yield Step("endpoints", shown, "", _made_from(compiled, ENDPOINTS, name))
    elif name in resources["endpoints"]:
        yield Step("endpoints", "none", "calls are answered 503", _made_from(compiled, ENDPOINTS, name))


def _encryption(cluster: Part) -> str:
    if "transport_socket_matches" in cluster:
        return "mutual TLS to endpoints that take it"
    if "transport_socket" not in cluster:
        return "not encrypted"
    return "mutual TLS" if _own_certificate(cluster["transport_socket"]) else "TLS"


def _own_certificate(socket: Part) -> bool:
    return "tls_certificate_sds_secret_configs" in socket.get("typed_config", {}).get("common_tls_context", {})


def _endpoints(name: str, resources: Any) -> Iterable[tuple[str, int]]:
    cluster = resources["clusters"].get(name, {})
    assignment = resources["endpoints"].get(name) or cluster.get("load_assignment", {})
    for place in assignment.get("endpoints", ()):
        for each in place.get("lb_endpoints", ()):
            where = each["endpoint"]["address"].get("socket_address")
            if where is not None:
                yield where["address"], int(where.get("port_value", 0))


def _answering(passage: Passage, resources: Any, snapshot: MeshSnapshot) -> Iterator[tuple[Endpoint, int, bool]]:
    """The workloads behind the clusters, each once by name, with the port that is called and whether by mutual TLS."""
    seen: set[tuple[str, str]] = set()
    for cluster, _ in passage.clusters:
        for address, port in _endpoints(cluster, resources):
            for service, endpoint in snapshot.serving.get(address, ()):
                known = endpoint.namespace, endpoint.name or address
                if known in seen or service.external or f"|{service.host}" not in cluster:
                    continue
                seen.add(known)
                yield endpoint, port, endpoint.tls_mode == TLS_ISTIO and _encrypts(resources["clusters"][cluster])


def _encrypts(cluster: Part) -> bool:
    return "transport_socket" in cluster or "transport_socket_matches" in cluster


def _inbound(sent: Sent, call: Call, endpoint: Endpoint, proxy: Proxy, *, mutual: bool) -> Side:
    """The call as it comes in at `endpoint`: by the way that the caller's proxy sends it."""
    held = sent(proxy)
    if held is None:
        return _unknown(proxy)
    compiled, delivered = held
    resources = tree(compiled)
    alpn = ("istio-http/1.1" if call.protocol != "tcp" else "istio") if mutual else ""
    there = replace(
        call,
        address=endpoint.address,
        tls="mtls" if mutual else call.tls,
        sni="" if mutual else call.sni,
        alpn=alpn,
        inbound=proxy.intercepts,
    )
    passage = Player(resources, redirects=proxy.intercepts).play(there)
    return Side(_name(proxy), tuple(_steps(passage, compiled, resources)), passage.error, delivered)

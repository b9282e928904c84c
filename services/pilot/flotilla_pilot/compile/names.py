"""Names of resources: Istio's, so that dashboards, tools and runbooks go on working (pilot.md 2.2)."""

BLACK_HOLE = "BlackHoleCluster"
PASSTHROUGH = "PassthroughCluster"
FORWARD_PROXY = "dfp"
INBOUND_PASSTHROUGH = "InboundPassthroughCluster"
VIRTUAL_OUTBOUND = "virtualOutbound"
VIRTUAL_INBOUND = "virtualInbound"
PASSTHROUGH_CHAIN = "PassthroughFilterChain"
ALLOW_ANY = "allow_any"
ALLOW_ANY_NAMES = "allow_any_dynamic_dns"
ALLOW_ANY_NAMES_CLUSTER = "AllowAnyDynamicDNSCluster"
BLOCK_ALL = "block_all"
PROXY_ROUTES = "http_proxy"
"""The table of the explicit proxy that the mesh has everywhere."""


def outbound_cluster(port: int, subset: str, host: str) -> str:
    return f"outbound|{port}|{subset}|{host}"


def host_and_port(cluster: str) -> tuple[str, str] | None:
    """Whose cluster it is, by its name; None for one that is no service's."""
    parts = cluster.split("|")
    return (parts[3], parts[1]) if len(parts) == 4 else None


def outbound_sni(port: int, subset: str, host: str) -> str:
    return f"outbound_.{port}_.{subset}_.{host}"


def inbound_cluster(port: int) -> str:
    return f"inbound|{port}||"


def listener(address: str, port: int) -> str:
    return f"{address}_{port}"


def service_routes(host: str, port: int) -> str:
    """The table of a listener that is one service's alone."""
    return f"{host}:{port}"


def http_gateway_routes(port: int, bind: str) -> str:
    return f"http.{port}.{bind}" if bind else f"http.{port}"


def https_gateway_routes(port: int, port_name: str, gateway: str, namespace: str, bind: str) -> str:
    name = f"https.{port}.{port_name}.{gateway}.{namespace}"
    return f"{name}.{bind}" if bind else name


def config_path(namespace: str, kind: str, name: str) -> str:
    """Where an object lives in the API, as `filter_metadata.istio.config` says it."""
    return f"/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}"

"""The names by which an Envoy counts what happens to a cluster."""

from flotilla_pilot.model.services import Service, ServicePort

END = ";"
"""Ends every name, so that readers of statistics find where it ends: a host name has dots as statistics do."""


def ended(name: str) -> str:
    return f"{name}{END}"


def stat_name(pattern: str, service: Service, port: ServicePort, subset: str = "", target_port: int = 0) -> str:
    """`pattern` of the mesh configuration with its placeholders filled in; what is no placeholder stays."""
    fillings = {
        "%SERVICE%": f"{short_name(service)}.{service.namespace}" if service.is_native else service.host,
        "%SERVICE_FQDN%": service.host,
        "%SERVICE_NAME%": short_name(service),
        "%SERVICE_PORT%": str(port.number),
        "%SERVICE_PORT_NAME%": port.name,
        "%SUBSET_NAME%": subset,
        "%TARGET_PORT%": str(target_port),
    }
    for placeholder, text in fillings.items():
        pattern = pattern.replace(placeholder, text)
    return pattern


def short_name(service: Service) -> str:
    """The name that a Service of Kubernetes has within its namespace; any other is known by its host alone."""
    return service.host.partition(".")[0] if service.is_native else service.host

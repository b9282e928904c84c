"""Where a proxy fetches what a resource only names: ADS for resources, the agent's SDS for secrets."""

from envoy.config.core.v3.config_source_pb2 import (
    AggregatedConfigSource,
    ApiConfigSource,
    ApiVersion,
    ConfigSource,
)
from envoy.config.core.v3.grpc_service_pb2 import GrpcService
from google.protobuf.duration_pb2 import Duration

SDS_CLUSTER = "sds-grpc"
"""The cluster of the agent's SDS socket, static in every bootstrap."""


def ads() -> ConfigSource:
    """Without a time limit: Pilot always sends what it names."""
    return ConfigSource(
        ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3, initial_fetch_timeout=Duration()
    )


def sds(wait_seconds: int | None = 0) -> ConfigSource:
    """The agent's socket. `wait_seconds` limits how long the resource warms for its secret; 0 is no limit, None Envoy's."""
    source = _secrets(SDS_CLUSTER)
    if wait_seconds is not None:
        source.initial_fetch_timeout.CopyFrom(Duration(seconds=wait_seconds))
    return source


def foreign_sds(cluster: str, host: str) -> ConfigSource:
    """A provider of secrets that the mesh names; a resource warms for them as long as Envoy lets it by itself."""
    return _secrets(cluster, host)


def _secrets(cluster: str, authority: str = "") -> ConfigSource:
    server = GrpcService.EnvoyGrpc(cluster_name=cluster, authority=authority)
    return ConfigSource(
        api_config_source=ApiConfigSource(
            api_type=ApiConfigSource.GRPC,
            transport_api_version=ApiVersion.V3,
            set_node_on_first_message_only=True,
            grpc_services=[GrpcService(envoy_grpc=server)],
        ),
        resource_api_version=ApiVersion.V3,
    )

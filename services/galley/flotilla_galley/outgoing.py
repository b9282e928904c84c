"""What leaves Galley, as its settings have it: limits of streams, and the sink that it dials."""

from __future__ import annotations

import grpc

from flotilla_galley.config import GalleySettings
from flotilla_galley.distribution.dial import SinkDialer
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.limits import StreamLimits
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.settings import SettingsError
from flotilla_shared.runtime.tls import MESSAGE_BYTES, open_channel


def stream_limits(settings: GalleySettings) -> StreamLimits:
    return StreamLimits(settings.mcp_max_streams, settings.mcp_streams_per_second, settings.mcp_requests_per_second)


def sink_dialer(
    settings: GalleySettings, identity: IdentitySource, distributor: Distributor, metrics: DistributionMetrics
) -> SinkDialer:
    """Raises SettingsError for metadata that is none."""
    address = settings.sink_address
    name = settings.sink_server_name or address.rpartition(":")[0]

    def channel() -> grpc.aio.Channel:
        if settings.sink_auth_mode == "none":
            return grpc.aio.insecure_channel(address, [("grpc.max_send_message_length", MESSAGE_BYTES)])
        certificate = identity.current
        if certificate is None:
            raise RuntimeError("there is no certificate yet")
        return open_channel(address, name, certificate)

    pairs = [_pair(each) for each in settings.sink_metadata]
    return SinkDialer(address, channel, distributor, metrics, metadata=pairs)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise SettingsError(f"sink_metadata: {text!r} must be key=value")
    return key.lower(), value

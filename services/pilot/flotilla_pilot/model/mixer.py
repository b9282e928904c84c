"""What the mesh configuration says of Mixer."""

from dataclasses import dataclass

from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig


@dataclass(frozen=True, slots=True)
class MixerServer:
    """`host:port` of mixerCheckServer or mixerReportServer."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class MixerOptions:
    """Who is asked and who is told. Without either server the mesh has no Mixer, and proxies know of none."""

    check: MixerServer | None = None
    report: MixerServer | None = None
    fail_open: bool = False
    client_checks: bool = False
    http_reports: bool = True

    @property
    def servers(self) -> tuple[MixerServer, ...]:
        """Each server once."""
        return tuple(dict.fromkeys(each for each in (self.check, self.report) if each is not None))


def mixer_options(config: MeshConfig) -> MixerOptions:
    """Fields 1, 2, 3, 19, 25 and 48 of the mesh configuration; disablePolicyChecks means that nobody is asked."""
    return MixerOptions(
        check=None if config.disable_policy_checks else _server(config.mixer_check_server),
        report=_server(config.mixer_report_server),
        fail_open=config.policy_check_fail_open,
        client_checks=config.enable_client_side_policy_check,
        http_reports=not config.disable_mixer_http_reports,
    )


def _server(text: str) -> MixerServer | None:
    """None for a text that names no server; Galley tells its author."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        return None
    return MixerServer(host.lower(), int(port))

"""The mesh configuration and its proxies (rules MC1 to MC7 as Istio 1.4 has them).

As in 1.4 it must be whole: defaults are filled in before it is judged.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from flotilla_galley.validation import checks
from flotilla_galley.validation.addresses import host_port
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.localities import locality_setting
from flotilla_galley.validation.mesh_proxy import DEFAULTS, check_proxy, drain
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

HOUR, LONGEST_CONNECT = 3600, 30


def validate(spec: MeshConfig, report: Report, namespace: str) -> None:
    for field, server in (
        ("mixerCheckServer", spec.mixer_check_server),
        ("mixerReportServer", spec.mixer_report_server),
    ):
        if server:
            report.check(host_port, field, server)
    report.check(checks.port, "proxyListenPort", spec.proxy_listen_port)
    report.check(connect_timeout, "connectTimeout", spec.connect_timeout)
    if spec.HasField("locality_lb_setting"):
        locality_setting(spec.locality_lb_setting, report.at("localityLbSetting"), outlier=True)
    if spec.HasField("default_config"):
        proxy_config(spec.default_config, report.at("defaultConfig"))
    else:
        report.at("defaultConfig").wrong("it is missing; say what proxies are started with")


def proxy_config(config: ProxyConfig, report: Report) -> None:
    whole = ProxyConfig()
    whole.CopyFrom(config)
    whole.status_port = whole.status_port or DEFAULTS.status_port
    check_proxy(whole, report)
    report.check(connect_timeout, "connectTimeout", config.connect_timeout)
    shutdown(config.drain_duration, config.parent_shutdown_duration, report)
    lightstep = config.tracing.lightstep
    if lightstep.secure and not lightstep.cacert_path:
        report.at("tracing").at("lightstep").at("cacertPath").wrong("it is missing; a secure connection needs it")


def shutdown(draining: Duration, parent: Duration, report: Report) -> None:
    """MC5, beside what `check_proxy` says of draining"""
    report.check(drain, "parentShutdownDuration", parent)
    if parent.ToNanoseconds() <= draining.ToNanoseconds():
        report.at("parentShutdownDuration").wrong("it must be longer than drainDuration")
    for field, duration in (("drainDuration", draining), ("parentShutdownDuration", parent)):
        if duration.seconds > HOUR:
            report.at(field).wrong(f"{duration.seconds}s is too long; it must be at most an hour")


def connect_timeout(value: Duration) -> str:
    """P8"""
    if value.seconds > LONGEST_CONNECT or (value.seconds == LONGEST_CONNECT and value.nanos > 0):
        return f"{value.seconds}s is too long; it must be at most {LONGEST_CONNECT}s"
    return checks.duration(value)

"""`flotilla-agent proxy sidecar|router`, and `wait` and `request`, with which a pod's hooks speak to it."""

from __future__ import annotations

import argparse
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

FAILED = 1
BAD_ENVIRONMENT = 2
PODINFO = Path("/etc/istio/pod")
LEVELS = {"none": "error", "error": "error", "warn": "warning", "info": "info", "debug": "debug"}


def pod_command(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Parse and do it; gives the exit code."""
    given = _parser().parse_args(arguments)
    if given.command == "wait":
        return wait(given.url, given.timeout_seconds, given.period_millis / 1000)
    if given.command == "request":
        return request(given.debug_port, given.method, given.path)
    return proxy(given, environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotilla-agent")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("proxy", help="run the one workload of this pod, as its environment says")
    run.add_argument("kind", choices=("sidecar", "router", "grpc"))
    run.add_argument("--domain", default="", help="<namespace>.svc.<cluster domain>")
    run.add_argument("--proxyLogLevel", default="warning", help="what Envoy says")
    run.add_argument("--proxyComponentLogLevel", default="", help="the same for its parts: misc:error,...")
    run.add_argument("--log_output_level", default="default:info", help="what the agent says")
    run.add_argument("--log_as_json", action="store_true", help="it says so as JSON anyway")
    waiting = commands.add_parser("wait", help="return when Envoy is ready")
    waiting.add_argument("--url", default="http://127.0.0.1:15020/healthz/ready")
    waiting.add_argument("--timeoutSeconds", dest="timeout_seconds", type=float, default=60)
    waiting.add_argument("--periodMillis", dest="period_millis", type=float, default=500)
    asking = commands.add_parser("request", help="ask the agent of this pod")
    asking.add_argument("--debug-port", type=int, default=15020)
    asking.add_argument("method", choices=("GET", "POST"))
    asking.add_argument("path")
    return parser


def proxy(given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM."""
    from flotilla_agent.config import AgentSettings
    from flotilla_agent.errors import PodRefused
    from flotilla_agent.pod.app import serve
    from flotilla_agent.pod.environment import read_pod
    from flotilla_agent.pod.podinfo import read_podinfo
    from flotilla_shared.runtime.lifecycle import run_service
    from flotilla_shared.runtime.logs import configure_logs
    from flotilla_shared.runtime.settings import SettingsError, load_settings

    try:
        labels, annotations = (read_podinfo(PODINFO / name) for name in ("labels", "annotations"))
        pod = read_pod(given.kind, environ, labels, annotations, given.domain)
        settings = load_settings(AgentSettings, "agent", given={**pod.settings, **_levels(given)})
        configure_logs(settings.log_level, settings.log_format, "agent")
        return run_service(lambda: serve(settings, pod.workload, environ))
    except (PodRefused, SettingsError) as error:
        print(f"agent: {error}", file=sys.stderr)
        return BAD_ENVIRONMENT


def _levels(given: argparse.Namespace) -> dict[str, str]:
    """`default:info,xds:debug` is the form of Istio's agent; what it says of parts has none here."""
    named = dict(part.partition(":")[::2] for part in given.log_output_level.split(","))
    level = named.get("default") or next((name for name in named if not named[name]), "info")
    return {
        "log_level": LEVELS.get(level, "info"),
        "envoy_log_level": given.proxyLogLevel,
        "envoy_component_log_level": given.proxyComponentLogLevel,
    }


def wait(url: str, timeout_seconds: float, period_seconds: float) -> int:
    """0 as soon as it answers 200, 1 with the last answer when the time is over."""
    end = time.monotonic() + timeout_seconds
    while True:
        said = _ask(url, "GET")
        if said is None:
            return 0
        if time.monotonic() >= end:
            print(f"agent: not ready after {timeout_seconds:g} s: {said}", file=sys.stderr)
            return FAILED
        time.sleep(period_seconds)


def request(port: int, method: str, path: str) -> int:
    """0 when the agent did it, 1 with what it said."""
    said = _ask(f"http://127.0.0.1:{port}/{path.lstrip('/')}", method)
    if said is None:
        return 0
    print(f"agent: {method} {path}: {said}", file=sys.stderr)
    return FAILED


def _ask(url: str, method: str) -> str | None:
    """What went wrong."""
    asked = urllib.request.Request(url, method=method)  # noqa: S310  # an operator's own URL, of this pod
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=10):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return error.read(1024).decode("utf-8", "replace").strip() or f"status {error.code}"
    except (OSError, ValueError) as error:
        return str(error)

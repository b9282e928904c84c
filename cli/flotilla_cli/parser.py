"""The command line as one table: each command's arguments, and the module that carries it out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from flotilla_cli.analysis.options import add_options
from flotilla_cli.mixing.options import add_mixer, add_question
from flotilla_cli.options import DEFAULT_CERTIFICATE_SECONDS

RUN_DIR = "run folder; default $FLOTILLA_RUN, $XDG_RUNTIME_DIR/flotilla or /tmp/flotilla-<uid>"
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
PARTS = "galley, pilot, citadel, mixer, agent or a workload"


def build_parser() -> argparse.ArgumentParser:
    """A parser whose result has `module`, the name of a module under `commands`, and the command's
    arguments.
    """
    parser = argparse.ArgumentParser(prog="flotilla", description="Istio's four-service control plane on one machine.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        _up,
        _monolith,
        _down,
        _status,
        _logs,
        _stop,
        _start,
        _run,
        _trace_change,
        _demo,
        _check,
        _inject,
        _validate,
        _diff,
        _analyze,
        _render,
        _explain,
        _mixer,
        _version,
    ):
        add(commands)
    return parser


def _command(commands: Commands, name: str, module: str, text: str, *, run_dir: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(module=module, command=name)
    if run_dir:
        parser.add_argument("--run-dir", type=Path, metavar="FOLDER", help=RUN_DIR)
    return parser


def _up(commands: Commands) -> None:
    parser = _command(commands, "up", "up", "start a mesh; stays until Ctrl-C")
    parser.add_argument("directory", type=Path, nargs="?", help="the mesh; default: the Bookinfo example")
    parser.add_argument("-d", "--detach", action="store_true", help="return when it is up")
    parser.add_argument("--behind", action="store_true", help=argparse.SUPPRESS)
    _mesh_options(parser)


def _monolith(commands: Commands) -> None:
    text = "start a mesh whose four services are one process, to compare; else as `flotilla up`"
    parser = _command(commands, "monolith", "up", text)
    parser.add_argument("directory", type=Path, nargs="?", help="the mesh; default: the Bookinfo example")
    parser.add_argument("-d", "--detach", action="store_true", help="return when it is up")
    parser.add_argument("--behind", action="store_true", help=argparse.SUPPRESS)
    _mesh_options(parser)
    parser.set_defaults(monolith=True)


def _mesh_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--envoy", type=Path, metavar="FILE", help="Envoy to run; default $FLOTILLA_ENVOY")
    parser.add_argument(
        "--certificate-ttl",
        type=_seconds,
        metavar="SECONDS",
        default=DEFAULT_CERTIFICATE_SECONDS,
        help="life of the workloads' certificates; default 24 h",
    )
    parser.add_argument("--delta", dest="delta", action="store_true", default=True, help="delta xDS; default")
    parser.add_argument("--sotw", dest="delta", action="store_false", help="xDS by the state of the world")
    parser.add_argument("--monolith", action="store_true", help="the four services in one process")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))


def _down(commands: Commands) -> None:
    _command(commands, "down", "down", "stop the mesh")


def _status(commands: Commands) -> None:
    text = "services, workloads, certificates, and what each proxy has acknowledged"
    parser = _command(commands, "status", "status", text)
    _json(parser)


def _logs(commands: Commands) -> None:
    parser = _command(commands, "logs", "logs", "show logs")
    parser.add_argument("name", nargs="?", help=f"{PARTS}; default: all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--envoy", action="store_true", help="of the workload's Envoy instead")
    parser.add_argument("-n", "--lines", type=int, default=50, help="how many of the last lines; default 50")


def _stop(commands: Commands) -> None:
    parser = _command(commands, "stop", "stop", "stop a part of the mesh")
    parser.add_argument("name", help=PARTS)
    parser.add_argument("--kill", action="store_true", help="with SIGKILL")


def _start(commands: Commands) -> None:
    parser = _command(commands, "start", "start", "start a part of the mesh that was stopped or died")
    parser.add_argument("name", help=PARTS)


def _run(commands: Commands) -> None:
    text = "let a workload join the mesh, or say why it cannot; shows its log until Ctrl-C, then it leaves"
    parser = _command(commands, "run", "run_workload", text)
    parser.add_argument("workload", help="a workload of processes.yaml")
    parser.add_argument("-d", "--detach", action="store_true", help="return when it has joined; it stays")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="in which it must join; default 30"
    )


def _trace_change(commands: Commands) -> None:
    text = "show a change's way: file, Galley, Pilot, each proxy's acknowledgement"
    parser = _command(commands, "trace-change", "trace_change", text)
    parser.add_argument("object", metavar="KIND/NAMESPACE/NAME", help="VirtualService/default/reviews")
    parser.add_argument("--version", help="of the object; default: the newest")
    _json(parser)


def _demo(commands: Commands) -> None:
    text = "start the Bookinfo example and walk through what the mesh does, step by step"
    parser = _command(commands, "demo", "demo", text)
    parser.add_argument("--once", action="store_true", help="clean up and exit; 0 only if every step held")
    text = "start backends of examples/telemetry too, and count what they are told: all, or names with commas"
    parser.add_argument("--adapters", default="", metavar="NAMES", help=text)
    _mesh_options(parser)


def _check(commands: Commands) -> None:
    text = "say whether the mesh on Kubernetes is as it should be, and what mends it"
    parser = _command(commands, "check", "check", text, run_dir=False)
    parser.add_argument("--pre", action="store_true", help="before installing: whether the cluster can have one")
    parser.add_argument("-n", "--namespace", default="istio-system", help="of the mesh; default istio-system")
    parser.add_argument("--revision", default="", help="of the control plane; default: the default one")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="default $KUBECONFIG, ~/.kube/config")
    parser.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig file; default its current one")
    parser.add_argument("-o", "--output", choices=("text", "short", "json"), default="text", help="short: no good news")


def _inject(commands: Commands) -> None:
    text = "put a proxy into the pods of a file's objects, as Pilot's webhook does; asks nobody"
    parser = _command(commands, "kube-inject", "kube_inject", text, run_dir=False)
    parser.add_argument("-f", "--filename", required=True, metavar="FILE", help="objects as YAML; - for standard input")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--injectConfigFile", dest="inject_config", type=Path, metavar="FILE", help="key `config`")
    parser.add_argument("--valuesFile", dest="values", type=Path, metavar="FILE", help="key `values`")
    parser.add_argument("--meshConfigFile", dest="mesh_config", type=Path, metavar="FILE", help="mesh configuration")
    parser.add_argument("--revision", default="", help="of the control plane; default: the default one")
    parser.add_argument("--native", action="store_true", help="the proxy as an init container that goes on")


def _validate(commands: Commands) -> None:
    text = "say what is wrong with objects, and where; asks nobody"
    parser = _command(commands, "validate", "validate", text, run_dir=False)
    parser.add_argument(
        "-f", "--filename", action="append", required=True, metavar="FILE", help="YAML; - for standard input"
    )
    parser.add_argument(
        "--ruleset", choices=("today", "1.4"), help="default: today's, and 1.4's for kinds that only 1.4 has"
    )
    parser.add_argument("-o", "--output", choices=("text", "json", "jsonl"), default="text", help="default text")


def _analyze(commands: Commands) -> None:
    text = "say what is wrong between objects, in files, in a cluster, or in both together"
    add_options(_command(commands, "analyze", "analyze", text, run_dir=False))


def _diff(commands: Commands) -> None:
    text = "what would change if objects were applied: 0 nothing, 1 something, 2 a fault; changes nothing itself"
    parser = _command(commands, "diff", "diff", text)
    parser.add_argument(
        "-f", "--filename", action="append", required=True, metavar="FILE|DIR", help="YAML; - for standard input"
    )
    parser.add_argument("--config", type=Path, metavar="FILE|DIR", help="against these files")
    parser.add_argument(
        "--galley", metavar="HOST:PORT", help="against what the Galley with this debug port distributes"
    )
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="against a cluster; default $KUBECONFIG")
    parser.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig file; default its current one")
    parser.add_argument("--prune", action="store_true", help="what is held and in no file would be removed")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default text")


def _render(commands: Commands) -> None:
    text = "what Pilot compiles for a proxy, as JSON; asks nobody"
    parser = _command(commands, "render", "render", text, run_dir=False)
    _configuration(parser, required=True)
    parser.add_argument("--proxy", type=Path, required=True, metavar="FILE", help="type, id, ipAddresses, labels, ...")
    parser.add_argument("-o", "--output", choices=("json",), default="json")


def _explain(commands: Commands) -> None:
    text = "which listener, chain, route, cluster and endpoints a call takes, and which objects say so"
    parser = _command(commands, "explain", "explain", text)
    _configuration(parser, required=False)
    parser.add_argument("--from", dest="caller", metavar="WORKLOAD", help="who calls: NAME or NAME.NAMESPACE")
    parser.add_argument("--to", dest="target", metavar="HOST:PORT[/PATH]", help="what is called")
    parser.add_argument("-H", "--header", action="append", metavar="NAME:VALUE", help="of the request")
    parser.add_argument("-X", "--method", default="GET", help="of the request; default GET")
    parser.add_argument("--tcp", action="store_true", help="the call is no HTTP")
    parser.add_argument("--tls", action="store_true", help="the caller encrypts by itself, with HOST as server name")
    parser.add_argument("--live", action="store_true", help="by what the Pilot of the mesh that is up has sent")
    parser.add_argument("--pilot", metavar="HOST:PORT", help="by what the Pilot with this debug port has sent")
    parser.add_argument("--cases", type=Path, metavar="FILE", help="instead: a line for each call of a file of cases")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default text")


def _configuration(parser: argparse.ArgumentParser, *, required: bool) -> None:
    default = "" if required else "; default: that of the mesh that is up"
    parser.add_argument(
        "-f",
        "--config",
        type=Path,
        action="append",
        required=required,
        metavar="FILE|DIR",
        help=f"objects, those of Kubernetes among them{default}",
    )
    parser.add_argument("--mesh", type=Path, metavar="FILE", help="mesh configuration; default: the defaults")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="Pilot's own settings; default: the defaults")


def _mixer(commands: Commands) -> None:
    parent: argparse.ArgumentParser = commands.add_parser("mixer", help="ask Mixer, or work out what it would say")
    below = parent.add_subparsers(metavar="WHAT", required=True)
    text = "an expression's type, value and the attributes that it looked at, as JSON"
    parser = _command(below, "eval", "mixer_eval", text, run_dir=False)
    parser.add_argument("expression", nargs="?", help="such as 'request.path | \"/\"'")
    parser.add_argument(
        "-a", "--attributes", action="append", metavar="NAME=VALUE,...", help="what is known of the call"
    )
    parser.add_argument(
        "--cases",
        type=Path,
        metavar="FILE",
        help="instead: a case of JSON a line, answered a line each; - is standard input",
    )
    parser.add_argument("--attribute-sets", type=Path, metavar="FILE", help="the attributes that cases name, by set")
    text = "what the annotation policy.istio.io/lang says; default CEXL"
    parser.add_argument("--language", choices=("CEXL", "CEL", "COMPAT"), default="CEXL", help=text)
    _may_talk(below)
    _mixer_check(below)
    _mixer_report(below)
    _mixer_tap(below)


def _mixer_check(commands: Commands) -> None:
    parser = _command(commands, "check", "mixer_check", "what Mixer answers a Check with these attributes, and why")
    add_question(parser)
    parser.add_argument("-q", "--quotas", action="append", metavar="NAME=AMOUNT,...", help="quotas that are asked for")
    parser.add_argument("--explain", action="store_true", help="rules and why they hold or not, handlers, answers")
    parser.add_argument("--consume", action="store_true", help="really ask for the quotas: that uses them up")


def _mixer_report(commands: Commands) -> None:
    parser = _command(commands, "report", "mixer_report", "what is reported of a call with these attributes, to whom")
    add_question(parser)
    parser.add_argument("--send", action="store_true", help="really report it")


def _mixer_tap(commands: Commands) -> None:
    parser = _command(commands, "tap", "mixer_tap", "Checks and reports as they pass; secrets are left out")
    add_mixer(parser)
    parser.add_argument("--namespace", help="of either end of a call, or whose rules hold")
    parser.add_argument("--workload", metavar="NAME", help="at either end of a call")
    parser.add_argument("--rule", metavar="NAME", help="a rule that holds: NAME or NAMESPACE/NAME")
    parser.add_argument("--match", metavar="EXPR", help="an expression that holds, as in rules")
    parser.add_argument("--kind", choices=("check", "report"), help="default both")
    parser.add_argument("--rate", type=int, metavar="N", help="lines a second at most; default 100")
    parser.add_argument("-n", "--count", type=int, metavar="N", help="end after so many lines")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default text")


def _may_talk(below: Commands) -> None:
    text = "whether a workload may call another (0) or not (3), and which policy and rule say so"
    parser = _command(below, "may-talk", "mixer_may_talk", text)
    parser.add_argument(
        "source", help="a workload (NAME or NAME.NAMESPACE) or service, a principal, or - without a certificate"
    )
    parser.add_argument("destination", help="a service or a workload, with :PORT where it matters")
    parser.add_argument("--port", type=int, help="that is called")
    parser.add_argument("-X", "--method", default="GET", help="of the request; default GET")
    parser.add_argument("--path", default="/", help="of the request; default /")
    parser.add_argument("--host", help="of the request; default: the service's")
    parser.add_argument("-H", "--header", action="append", metavar="NAME:VALUE", help="of the request")
    parser.add_argument("--sni", metavar="NAME", help="the server name that the caller asks for")
    parser.add_argument("--remote-ip", metavar="ADDRESS", help="of the first caller; default: the source's")
    parser.add_argument("--claims", metavar="JSON", help="of the caller's token")
    parser.add_argument("--tcp", action="store_true", help="the call is no HTTP")
    parser.add_argument("--roles", action="store_true", help="by 1.4's ServiceRoles instead of AuthorizationPolicies")
    _configuration(parser, required=False)
    parser.add_argument("--live", action="store_true", help="by what is in force in the Mixer of the mesh that is up")
    parser.add_argument("--mixer", metavar="HOST:PORT", help="by what is in force in the Mixer with this page")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default text")


def _version(commands: Commands) -> None:
    _command(commands, "version", "version", "print the version", run_dir=False)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds < 2:
        raise argparse.ArgumentTypeError("a certificate must live for 2 s at least")
    return seconds

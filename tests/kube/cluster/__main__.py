"""`python -m tests.kube.cluster up|down|status|images|kubectl|helm|exec|logs|stop|start|packages|binaries`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from tests.kube.cluster import commands, control
from tests.kube.cluster.binaries import make_binaries
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.images.images import bring_images
from tests.kube.cluster.layout import Layout, layout_of
from tests.kube.cluster.machine import install_packages
from tests.kube.cluster.node import Node
from tests.kube.cluster.process import last_lines
from tests.kube.cluster.report import Report
from tests.kube.cluster.status import print_status

# What comes after these belongs to another program, options included.
PASSED_ON = ("kubectl", "helm", "exec")


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    before, after = _split(list(arguments))
    chosen = parser.parse_args(before)
    try:
        layout = layout_of(chosen.cluster)
        if chosen.command in PASSED_ON:
            return _become(layout, chosen.command, after)
        return _COMMANDS[chosen.command](layout, chosen)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make cluster-down` removes what there is", file=sys.stderr)
        return 130


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    for place, argument in enumerate(arguments):
        if argument in PASSED_ON:
            rest = arguments[place + 1 :]
            return arguments[: place + 1], rest[1:] if argument == "exec" and rest[:1] == ["--"] else rest
    return arguments, []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kube.cluster", description="A Kubernetes of one node, for tests."
    )
    parser.add_argument("--cluster", help="its name; default: FLOTILLA_CLUSTER, or the name of this tree's folder")
    sub = parser.add_subparsers(dest="command", required=True)
    sub.add_parser("up", help="start it, or leave it as it is if it runs")
    sub.add_parser("down", help="end it and remove all that is left of it")
    sub.add_parser("status", help="say what runs; fails unless all is ready")
    sub.add_parser("kubectl", help="kubectl ARGUMENTS... as cluster-admin")
    sub.add_parser("helm", help="helm ARGUMENTS...")
    sub.add_parser("exec", help="exec -- COMMAND... in the node's network, seeing this machine's files")
    logs = sub.add_parser("logs", help="the last lines of a component's log")
    logs.add_argument("component")
    logs.add_argument("--lines", type=int, default=100)
    images = sub.add_parser("images", help="build the images of this tree and load those that changed")
    images.add_argument(
        "names", nargs="*", metavar="name", help="galley, pilot, citadel, mixer, proxy, bookinfo; default: all"
    )
    for name, text in (("stop", "kill a component"), ("start", "start a component again and wait for it")):
        sub.add_parser(name, help=text).add_argument("component")
    sub.add_parser("packages", help="install the Debian packages that it needs and that are missing")
    sub.add_parser("binaries", help="make the programs of the node, and print their folder")
    return parser


def _become(layout: Layout, command: str, arguments: list[str]) -> int:
    """The other program in this one's place: its exit code, its terminal."""
    node = Node(layout)
    lines: dict[str, Callable[[], list[str]]] = {
        "kubectl": lambda: commands.kubectl(node, *arguments),
        "helm": lambda: commands.helm(node, *arguments),
        "exec": lambda: node.inside(*(arguments or ["sh"]), mounts=False, processes=False),
    }
    line = lines[command]()
    os.execvpe(line[0], line, {**os.environ, **commands.environment(node)})


def _up(layout: Layout, chosen: argparse.Namespace) -> int:
    control.up(layout, Report())
    return 0


def _down(layout: Layout, chosen: argparse.Namespace) -> int:
    control.down(layout, Report())
    return 0


def _status(layout: Layout, chosen: argparse.Namespace) -> int:
    return 0 if print_status(Node(layout)) else 1


def _images(layout: Layout, chosen: argparse.Namespace) -> int:
    loaded = bring_images(Node(layout), chosen.names, Report())
    print(f"loaded: {', '.join(loaded)}" if loaded else "nothing has changed")
    return 0


def _logs(layout: Layout, chosen: argparse.Namespace) -> int:
    print(last_lines(control.running(Node(layout), chosen.component).log, chosen.lines))
    return 0


def _stop(layout: Layout, chosen: argparse.Namespace) -> int:
    control.running(Node(layout), chosen.component).stop(signal.SIGKILL)
    return 0


def _start(layout: Layout, chosen: argparse.Namespace) -> int:
    node = Node(layout)
    component = control.running(node, chosen.component)
    if component.pid is None:
        component.start()
    with node.network():
        component.wait()
    return 0


def _packages(layout: Layout, chosen: argparse.Namespace) -> int:
    install_packages(Report())
    return 0


def _binaries(layout: Layout, chosen: argparse.Namespace) -> int:
    print(make_binaries(Report()))
    return 0


_COMMANDS: dict[str, Callable[[Layout, argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "images": _images,
    "logs": _logs,
    "stop": _stop,
    "start": _start,
    "packages": _packages,
    "binaries": _binaries,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

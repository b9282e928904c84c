"""The options of `flotilla analyze`: those of istioctl, by the same names."""

from __future__ import annotations

import argparse
from pathlib import Path

LEVELS = ("Info", "Warning", "Error")
OUTPUTS = ("text", "log", "json", "yaml")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="FILE|DIR", help="objects as YAML or JSON; - for standard input")
    _what(parser)
    _cluster(parser)
    _shown(parser)


def _what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-R", "--recursive", action="store_true", help="also the folders in folders")
    parser.add_argument("--ruleset", choices=("today", "1.4"), default="today", help="whose analyzers; default today's")
    parser.add_argument("--analyzer", action="append", metavar="NAME", help="only this one; may be given several times")
    parser.add_argument("-L", "--list-analyzers", action="store_true", help="list the analyzers, and do nothing else")
    parser.add_argument("--meshConfigFile", dest="mesh_config", type=Path, metavar="FILE", help="mesh configuration")
    parser.add_argument(
        "--meshNetworksFile", dest="mesh_networks", type=Path, metavar="FILE", help="networks of the mesh"
    )
    parser.add_argument("--ignore-unknown", action="store_true", help="pass over documents that are no objects")
    text = 'be silent, such as "IST0102=Namespace foo"; * stands for any text; may be given several times'
    parser.add_argument("-S", "--suppress", action="append", default=[], metavar="CODE=OBJECT", help=text)


def _cluster(parser: argparse.ArgumentParser) -> None:
    text = "read the cluster too; default: true where a kubeconfig file is found"
    parser.add_argument("-k", "--use-kube", nargs="?", type=_switch, const=True, metavar="true|false", help=text)
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="default $KUBECONFIG, ~/.kube/config")
    parser.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig file; default its current one")
    text = "contexts of other clusters of the mesh, whose Services are compared; commas between them"
    parser.add_argument("--remote-contexts", type=_names, default=(), metavar="NAMES", help=text)
    text = "whose objects; default: of files all, of the cluster those of the context's namespace"
    parser.add_argument("-n", "--namespace", default="", help=text)
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="the objects of all namespaces")
    parser.add_argument("-i", "--istioNamespace", dest="root", default="istio-system", help="default istio-system")
    parser.add_argument("-r", "--revision", default="", help="of the control plane; default: the default one")
    parser.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="of reading the cluster; default 30s"
    )


def _shown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=OUTPUTS, default="text", help="default text; log: a line each")
    text = "from which level on the exit code is 79; default Error"
    parser.add_argument("--failure-threshold", type=_level, default="Error", metavar="|".join(LEVELS), help=text)
    text = "from which level on messages are shown; default Info"
    parser.add_argument("--output-threshold", type=_level, default="Info", metavar="|".join(LEVELS), help=text)
    parser.add_argument(
        "--color", nargs="?", type=_switch, const=True, metavar="true|false", help="default: on a terminal"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="tell on stderr what was read and what ran")


def _switch(text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false; files come before this option, or after --")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _level(text: str) -> str:
    found = next((each for each in LEVELS if each.lower() == text.lower()), None)
    if found is None:
        raise argparse.ArgumentTypeError(f"there is no level {text!r}; there are {', '.join(LEVELS)}")
    return found


def _seconds(text: str) -> float:
    """`30`, `30s` or `2m`."""
    unit = 60.0 if text.endswith("m") else 1.0
    seconds = float(text.rstrip("sm")) * unit
    if seconds <= 0:
        raise argparse.ArgumentTypeError("a time must be above 0")
    return seconds

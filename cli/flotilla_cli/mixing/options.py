"""Options of the commands that ask Mixer. Attributes are given as 1.4's `mixc` took them."""

from __future__ import annotations

import argparse
from pathlib import Path

# Option, as mixc's, and the type that it gives.
TYPED = (
    (("-s", "--string_attributes", "--string"), "STRING"),
    (("-i", "--int64_attributes", "--int64"), "INT64"),
    (("-d", "--double_attributes", "--double"), "DOUBLE"),
    (("-b", "--bool_attributes", "--bool"), "BOOL"),
    (("-t", "--timestamp_attributes", "--timestamp"), "TIMESTAMP"),
    (("--duration_attributes", "--duration"), "DURATION"),
    (("--bytes_attributes", "--bytes"), "IP_ADDRESS"),
    (("--stringmap_attributes", "--stringmap"), "STRING_MAP"),
)


def add_question(parser: argparse.ArgumentParser) -> None:
    """The attributes, and who is asked."""
    text = "what is known of the call; each is read as its declared type, and others by their look"
    parser.add_argument("-a", "--attributes", action="append", metavar="NAME=VALUE,...", help=text)
    parser.add_argument(
        "--call",
        type=Path,
        metavar="FILE",
        help="a line of `mixer tap -o json`, whose attributes are taken; - is standard input",
    )
    for names, kind in TYPED:
        parser.add_argument(
            *names, dest=kind.lower(), action="append", metavar="NAME=VALUE,...", help=f"attributes of type {kind}"
        )
    parser.add_argument(
        "-f",
        "--config",
        type=Path,
        action="append",
        metavar="FILE|DIR",
        help="ask no Mixer that runs: one of this configuration is made for the question",
    )
    parser.add_argument(
        "--default-namespace", default="istio-system", metavar="NAMESPACE", help="with -f: whose rules hold everywhere"
    )
    add_mixer(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default text")


def add_mixer(parser: argparse.ArgumentParser) -> None:
    text = "the Mixer with this introspection port; default: that of the mesh that is up"
    parser.add_argument("-m", "--mixer", metavar="HOST:PORT", help=text)

"""`flotilla render`: what Pilot compiles for one proxy, without a Pilot that runs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flotilla_cli.errors import Refused

if TYPE_CHECKING:
    from flotilla_pilot.model.proxy import Proxy
    from flotilla_shared.model.objects import Problem


def run(arguments: Namespace) -> int:
    """0 all was compiled; 1 too, if an object had to be left out, which standard error says: the rest is printed."""
    from flotilla_cli.offline.configuration import read_configuration, read_settings
    from flotilla_pilot.compile.compiler import Compiler
    from flotilla_pilot.offline.render import render

    configuration = read_configuration(arguments.config, arguments.mesh)
    proxy = read_proxy_file(arguments.proxy)
    compiled = Compiler().compile(configuration.snapshot(read_settings(arguments.settings)), proxy)
    print(json.dumps(render(compiled), indent=2))
    tell([*configuration.problems, *(each for found in compiled.problems.values() for each in found)])
    return 1 if configuration.errors else 0


def read_proxy_file(file: Path) -> Proxy:
    """The proxy of a YAML file; raises Refused."""
    import yaml

    from flotilla_pilot.model.proxy import NodeRefused
    from flotilla_pilot.offline.proxies import read_proxy

    try:
        stated: Any = yaml.safe_load(file.read_text())
        if not isinstance(stated, dict):
            raise NodeRefused("a mapping of type, id, ipAddresses and so on must stand here")
        return read_proxy(stated)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.", "Name a file that describes a proxy.") from error
    except (yaml.YAMLError, NodeRefused) as error:
        raise Refused(f"{file}: {' '.join(str(error).split())}.") from error


def tell(problems: Iterable[Problem]) -> None:
    """Every problem as a line on standard error."""
    for each in dict.fromkeys(problems):
        place = f"{each.file}:{each.line}: " if each.file else ""
        field = f"{each.field}: " if each.field else ""
        print(f"{place}{each.severity} {each.code}: {field}{each.text}", file=sys.stderr)

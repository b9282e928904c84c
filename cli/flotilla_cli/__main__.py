"""The command line. Each command's code is imported when it is called: `flotilla version` takes a tenth of
a second.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flotilla_cli.errors import FlotillaError

app = typer.Typer(
    help="Istio's four-service control plane on one machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunDir = Annotated[
    Path | None,
    typer.Option("--run-dir", help="Run folder; default $FLOTILLA_RUN or $XDG_RUNTIME_DIR/flotilla."),
]
Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
EnvoyPath = Annotated[Path | None, typer.Option("--envoy", help="Envoy to run; default $FLOTILLA_ENVOY.")]
CertificateTtl = Annotated[
    int, typer.Option("--certificate-ttl", min=2, help="Life of workloads' certificates, seconds.")
]
Delta = Annotated[bool, typer.Option("--delta/--sotw", help="xDS: changes only, or the state of the world.")]
LogLevel = Annotated[str, typer.Option("--log-level", help="Of the services and the agent.")]


@app.command()
def up(
    directory: Annotated[Path | None, typer.Argument(help="The mesh; default: the Bookinfo example.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it is up.")] = False,
    run_dir: RunDir = None,
    envoy: EnvoyPath = None,
    certificate_ttl: CertificateTtl = 24 * 3600,
    delta: Delta = True,
    log_level: LogLevel = "info",
    behind: Annotated[bool, typer.Option("--behind", hidden=True)] = False,
) -> None:
    """Start a mesh: the control plane, the applications, an Envoy beside each. Stays until Ctrl-C."""
    from flotilla_cli.commands import up as command
    from flotilla_cli.options import UpOptions

    options = UpOptions(run_dir, envoy, certificate_ttl, delta, log_level)
    command.run(directory, options, detach=detach, behind=behind)


@app.command()
def down(run_dir: RunDir = None) -> None:
    """Stop the mesh."""
    from flotilla_cli.commands import down as command

    command.run(run_dir)


@app.command()
def status(run_dir: RunDir = None, json: Json = False) -> None:
    """Services, workloads, certificates, and what each proxy has acknowledged."""
    from flotilla_cli.commands import status as command

    command.run(run_dir, as_json=json)


@app.command()
def logs(
    name: Annotated[
        str | None, typer.Argument(help="A service, the agent or a workload; default: all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    envoy: Annotated[
        bool, typer.Option("--envoy", help="The workload's Envoy instead of its application.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    run_dir: RunDir = None,
) -> None:
    """Show logs."""
    from flotilla_cli.commands import logs as command

    command.run(run_dir, name, follow=follow, envoy=envoy, lines=lines)


@app.command()
def stop(
    name: Annotated[str, typer.Argument(help="galley, pilot, citadel, agent or a workload.")],
    kill: Annotated[bool, typer.Option("--kill", help="With SIGKILL.")] = False,
    run_dir: RunDir = None,
) -> None:
    """Stop a part of the mesh."""
    from flotilla_cli.commands import parts

    parts.stop(run_dir, name, kill=kill)


@app.command()
def start(
    name: Annotated[str, typer.Argument(help="galley, pilot, citadel, agent or a workload.")],
    run_dir: RunDir = None,
) -> None:
    """Start a part of the mesh that was stopped or died."""
    from flotilla_cli.commands import parts

    parts.start(run_dir, name)


@app.command()
def run(
    workload: Annotated[str, typer.Argument(help="A workload of processes.yaml.")],
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it has joined.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds in which it must join.")] = 30.0,
    run_dir: RunDir = None,
) -> None:
    """Let a workload join the mesh; says why when it cannot. Shows its log until Ctrl-C, then it leaves."""
    from flotilla_cli.commands import run_workload as command

    command.run(run_dir, workload, detach=detach, seconds=timeout)


@app.command("trace-change")
def trace_change(
    name: Annotated[
        str, typer.Argument(metavar="KIND/NAMESPACE/NAME", help="VirtualService/default/reviews")
    ],
    version: Annotated[str | None, typer.Option("--version", help="Default: the newest.")] = None,
    run_dir: RunDir = None,
    json: Json = False,
) -> None:
    """Show a change's way: file, Galley, Pilot, each proxy's acknowledgement."""
    from flotilla_cli.commands import trace_change as command

    command.run(run_dir, name, version, as_json=json)


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Clean up and exit; 0 only if every step held.")
    ] = False,
    run_dir: RunDir = None,
    envoy: EnvoyPath = None,
) -> None:
    """Start the Bookinfo example and walk through what the mesh does, step by step."""
    from flotilla_cli.commands import demo as command

    command.run(once=once, run_dir=run_dir, envoy=envoy)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    print(f"flotilla {installed('flotilla-mesh-cli')}")


def main() -> None:
    """The entry point: 0 done, 1 refused with one sentence on stderr, 2 wrong usage."""
    try:
        app()
    except FlotillaError as error:
        print(f"flotilla: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone; Python would complain about it at exit
        sys.exit(1)


if __name__ == "__main__":
    main()

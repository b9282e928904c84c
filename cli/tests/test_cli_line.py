"""The command line: what it answers without a mesh, and that it starts light."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flotilla_cli.__main__ import main
from flotilla_cli.options import UpOptions
from flotilla_cli.parser import build_parser

HEAVY = (
    "pydantic",
    "grpc",
    "httpx",
    "google.protobuf",
    "rich",
    "yaml",
    "cryptography",
    "starlette",
    "asyncio",
)


def test_version(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("flotilla 0.")


def test_a_light_command_imports_nothing_heavy():
    code = (
        "import sys; from flotilla_cli.__main__ import main; main(['version']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["down"],
        ["status"],
        ["status", "--json"],
        ["stop", "pilot"],
        ["start", "pilot"],
        ["run", "visitor"],
        ["trace-change", "VirtualService/default/reviews"],
    ],
)
def test_without_a_mesh_each_says_so_and_how_to_get_one(tmp_path, capsys, arguments):
    assert main([*arguments, "--run-dir", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"flotilla: No mesh is up in {tmp_path}. `flotilla up` starts one; "
        "--run-dir or FLOTILLA_RUN names another run folder.\n"
    )


def test_a_socket_that_nobody_serves_is_no_mesh(tmp_path, capsys):
    (tmp_path / "supervisor.sock").touch()
    assert main(["status", "--run-dir", str(tmp_path)]) == 1
    assert "No mesh is up" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["stop"], ["up", "--certificate-ttl", "1"], ["up", "--log-level", "loud"], ["run"]],
)
def test_wrong_usage_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: flotilla" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        UpOptions(),
        UpOptions(certificate_seconds=20, delta=False, log_level="debug"),
    ],
)
def test_options_survive_the_way_to_another_process(tmp_path, options):
    parsed = build_parser().parse_args(["up", "somewhere", *options.arguments()])
    assert (parsed.certificate_ttl, parsed.delta, parsed.log_level) == (
        options.certificate_seconds,
        options.delta,
        options.log_level,
    )


def test_every_command_has_its_module():
    for command in ("up", "down", "status", "logs", "version", "demo"):
        module = build_parser().parse_args([command]).module
        assert __import__(f"flotilla_cli.commands.{module}", fromlist=["run"]).run

"""What stands in the way of a mesh is said before anything starts."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from flotilla_cli.checks.addresses import check_addresses, find_holders
from flotilla_cli.checks.envoy import find_envoy
from flotilla_cli.errors import CheckError
from flotilla_cli.plan.addresses import Listener
from flotilla_cli.run_folder import check_length, default_run_dir, prepare


def listen(address: str, *, shared: bool = False) -> socket.socket:
    listener = socket.socket()
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, 0))
    listener.listen()
    return listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_free_addresses_stay_free(block):
    with listen(f"{block}.9.1") as taken:
        port = port_of(taken)
    listener = Listener(f"{block}.9.1", port, "galley")
    check_addresses([listener])
    check_addresses([listener])


def test_all_taken_addresses_are_named_with_their_holder(block):
    with listen(f"{block}.9.1") as first, listen(f"{block}.9.2", shared=True) as second:
        wanted = [
            Listener(f"{block}.9.1", port_of(first), "galley"),
            Listener(f"{block}.9.2", port_of(second), "pilot"),
            Listener(f"{block}.9.3", port_of(first), "citadel"),
        ]
        with pytest.raises(CheckError) as refusal:
            check_addresses(wanted)
    text = str(refusal.value)
    assert f"{block}.9.1:{port_of_line(wanted[0])} (for galley) is held by pid {os.getpid()} (" in text
    assert f"{block}.9.2:{port_of_line(wanted[1])} (for pilot) is held by pid {os.getpid()} (" in text
    assert "citadel" not in text
    assert "Stop what holds them" in text


def port_of_line(listener: Listener) -> int:
    return listener.port


def test_one_who_listens_everywhere_holds_every_address(block):
    with listen("0.0.0.0") as everywhere:
        port = port_of(everywhere)
        with pytest.raises(CheckError, match=f"pid {os.getpid()}"):
            check_addresses([Listener(f"{block}.9.4", port, "galley")])


def test_a_taken_admin_address_tells_of_another_mesh(block):
    with socket.create_server((f"{block}.9.5", 15000)), pytest.raises(CheckError) as refusal:
        check_addresses([Listener(f"{block}.9.5", 15000, "the Envoy of web")])
    assert "Another mesh seems to be up here" in refusal.value.mend


def test_an_address_of_another_machine():
    with pytest.raises(CheckError, match=r"192\.0\.2\.1:8080 \(for gate\): Cannot assign requested address"):
        check_addresses([Listener("192.0.2.1", 8080, "gate")])


def test_a_long_list_is_cut(block):
    listeners = [Listener("192.0.2.1", port, "gate") for port in range(20001, 20021)]
    with pytest.raises(CheckError, match="and 8 more"):
        check_addresses(listeners)


def test_nobody_holds_a_free_address(block):
    assert find_holders([Listener(f"{block}.9.6", 1, "x")]) == {}


def program(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_envoy_is_the_chosen_then_the_named_then_the_installed_then_the_one_in_path(tmp_path):
    chosen, named = program(tmp_path / "a"), program(tmp_path / "b")
    installed, found = program(tmp_path / "venv/envoy/bin/envoy"), program(tmp_path / "bin/envoy")
    environment = {"FLOTILLA_ENVOY": str(named), "PATH": str(tmp_path / "bin")}
    venv = tmp_path / "venv"
    assert find_envoy(chosen, environment, venv) == chosen
    assert find_envoy(None, environment, venv) == named
    assert find_envoy(None, {"PATH": environment["PATH"]}, venv) == installed
    assert find_envoy(None, {"PATH": environment["PATH"]}, tmp_path / "other") == found


def test_a_missing_envoy_is_said_with_the_mend(tmp_path):
    with pytest.raises(CheckError, match=r"There is no Envoy.*make install.*--envoy or FLOTILLA_ENVOY"):
        find_envoy(None, {"PATH": ""}, tmp_path)


def test_a_named_envoy_is_not_replaced_by_another(tmp_path):
    program(tmp_path / "envoy/bin/envoy")
    with pytest.raises(CheckError, match="is no program"):
        find_envoy(tmp_path / "none", {}, tmp_path)


def test_the_run_folder_follows_the_environment(tmp_path):
    assert default_run_dir({"FLOTILLA_RUN": "/x/y", "XDG_RUNTIME_DIR": str(tmp_path)}) == Path("/x/y")
    assert default_run_dir({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "flotilla"
    assert default_run_dir({"XDG_RUNTIME_DIR": "/nowhere"}).name == f"flotilla-{os.getuid()}"
    assert default_run_dir({}).name == f"flotilla-{os.getuid()}"


@pytest.mark.parametrize(("length", "fits"), [(107, True), (108, False)])
def test_sockets_names_fit_into_107_bytes(length, fits):
    end = "/web-v1/sds.sock"
    path = Path("/" + "r" * (length - len(end) - 1))
    if fits:
        check_length(path, ["web-v1", "a"])
    else:
        with pytest.raises(CheckError, match=r"has 108 bytes.*--run-dir"):
            check_length(path, ["web-v1", "a"])


def test_the_run_folder_is_private_and_emptied(tmp_path):
    path = tmp_path / "deep" / "run"
    folder = prepare(path)
    (folder.path / "web").mkdir()
    (folder.path / "web" / "envoy.log").write_text("old")
    folder.log("pilot").write_text("old")
    (folder.path / "link").symlink_to(tmp_path)
    again = prepare(path)
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o700
    assert sorted(entry.name for entry in path.iterdir()) == [".flotilla", "citadel", "last-good", "tokens"]
    assert all(stat.S_IMODE((path / name).stat().st_mode) == 0o700 for name in ("tokens", "citadel", "last-good"))
    assert tmp_path.is_dir()


def test_somebodys_files_are_not_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckError, match="holds files that are not Flotilla's"):
        prepare(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_link_is_no_run_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with pytest.raises(CheckError, match="no plain folder"):
        prepare(tmp_path / "run")


def test_a_run_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckError, match=r"cannot be made.*--run-dir or FLOTILLA_RUN"):
        prepare(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("text", "mend", "shown"),
    [
        ("No mesh is up.", "", "No mesh is up."),
        ("No mesh is up.", "Start one.", "No mesh is up. Start one."),
        ("Held:\n  a\n", "Stop it.", "Held:\n  a\nStop it."),
    ],
)
def test_an_error_and_its_mend_are_one_text(text, mend, shown):
    assert str(CheckError(text, mend)) == shown

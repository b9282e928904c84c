"""Citadel as a process: it keeps its root over kill -9, races without harm, and says why it cannot start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from flotilla_shared.testing.ports import free_port


class Process:
    """One Citadel with a store; ports of its own."""

    def __init__(self, folder: Path, name: str, **settings: object) -> None:
        self.root_file = folder / f"{name}-root-cert.pem"
        self.monitoring = free_port()
        self.log = folder / f"{name}.log"
        self._file = folder / f"{name}.yaml"
        self._file.write_text(
            json.dumps(
                {
                    "address": "127.0.0.1",
                    "port": free_port(),
                    "monitoring_port": self.monitoring,
                    "introspection_port": free_port(),
                    "store_dir": str(folder / "store"),
                    "publish_root_file": str(self.root_file),
                    **settings,
                }
            )
        )
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> Process:
        command = [sys.executable, "-m", "flotilla_citadel", "serve", "--config", str(self._file)]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def wait_until_ready(self) -> None:
        """Ask until it is ready; a process that has ended is an error with its log."""
        assert self.popen
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(transport=transport) as http:
            while True:
                assert self.popen.poll() is None, self.log.read_text()
                try:
                    if http.get(f"http://127.0.0.1:{self.monitoring}/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                try:
                    self.popen.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue

    def end(self, by: signal.Signals) -> int:
        assert self.popen
        self.popen.send_signal(by)
        return self.popen.wait(20)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start Citadels; whatever still runs at the end is killed."""
    started: list[Process] = []

    def begin(name: str = "citadel", **settings: object) -> Process:
        started.append(Process(tmp_path, name, **settings).start())
        return started[-1]

    yield begin
    for process in started:
        if process.popen and process.popen.poll() is None:
            process.end(signal.SIGKILL)


def test_the_root_survives_kill_9(start: Callable[..., Process]) -> None:
    first = start()
    first.wait_until_ready()
    root = first.root_file.read_bytes()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = start()
    second.wait_until_ready()
    assert second.root_file.read_bytes() == root
    assert second.end(signal.SIGTERM) == 0


def test_killed_while_it_starts(start: Callable[..., Process], tmp_path: Path) -> None:
    """Whatever a killed start leaves behind, the next one starts, and from the first published root on it is
    the same.
    """
    store = tmp_path / "store" / "istio-ca-secret"
    process = start()
    assert process.popen
    while not store.exists():
        assert process.popen.poll() is None, process.log.read_text()
        os.sched_yield()
    process.end(signal.SIGKILL)
    certificate = (store / "ca-cert.pem").read_bytes()
    again = start()
    again.wait_until_ready()
    assert again.root_file.read_bytes() == certificate


def test_two_that_race_on_an_empty_store_publish_one_root(start: Callable[..., Process]) -> None:
    racers = [start(name) for name in ("one", "two")]
    for racer in racers:
        racer.wait_until_ready()
    assert racers[0].root_file.read_bytes() == racers[1].root_file.read_bytes()


def break_mode(store: Path) -> str:
    (store / "ca-key.pem").chmod(0o644)
    return "chmod 600"


def break_pair(store: Path) -> str:
    (store / "ca-cert.pem").unlink()
    return "ca-cert.pem is missing and its other half is there"


def break_key(store: Path) -> str:
    (store / "ca-key.pem").write_text("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")
    return "the private key is not a plain PEM key"


@pytest.mark.parametrize("damage", [break_mode, break_pair, break_key])
def test_a_bad_store_is_one_clear_sentence(
    damage: Callable[[Path], str], start: Callable[..., Process], tmp_path: Path
) -> None:
    good = start()
    good.wait_until_ready()
    good.end(signal.SIGTERM)
    good.log.write_text("")
    said = damage(tmp_path / "store" / "istio-ca-secret")
    bad = start()
    assert bad.popen
    assert bad.popen.wait(20) == 1
    text = bad.log.read_text()
    assert said in text
    assert "Traceback" not in text


def test_a_taken_port_is_one_clear_sentence(start: Callable[..., Process]) -> None:
    first = start("one")
    first.wait_until_ready()
    second = start("two", monitoring_port=first.monitoring)
    assert second.popen
    assert second.popen.wait(20) == 1
    assert f"cannot listen on 127.0.0.1:{first.monitoring}" in second.log.read_text()
    assert not second.root_file.exists()


@contextmanager
def environment(**values: str) -> Iterator[dict[str, str]]:
    yield {**os.environ, **{f"FLOTILLA_CITADEL_{name.upper()}": value for name, value in values.items()}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"default_ttl": "91d"}, "default_ttl must be above zero and not above max_ttl"),
        ({"certificate_ttl_seconds": "7776001"}, "certificate_ttl_seconds must not be above max_ttl"),
        ({"oidc_issuer": "x"}, "oidc_issuer and oidc_jwks_file belong together"),
        ({"max_ttl": "soon"}, "max_ttl"),
    ],
)
def test_settings_that_do_not_fit(values: dict[str, str], said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flotilla_citadel", "print-config"]
    with environment(**values) as variables:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_settings_in_force_are_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flotilla_citadel", "print-config"]
    with environment(default_ttl="1h30m", trust_domain="mesh.example") as variables:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "default_ttl: 5400s" in done.stdout
    assert "mesh.example" in done.stdout
    assert os.listdir(tmp_path) == []

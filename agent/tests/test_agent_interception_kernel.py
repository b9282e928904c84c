"""The rules in a real kernel, in a network namespace: who lands where."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("interception_namespace.py")
POD, OUTSIDE = "10.9.9.1", "10.9.9.2"
INJECTED = ["-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "", "-b", "*"]
INJECTED += ["-d", "15090,15021,15020"]
EXCLUDED = [*INJECTED[:-1], "15020,8080", "-o", "7000", "-x", "192.0.2.0/24"]
LISTED = ["-u", "1337", "-i", "192.0.2.0/24", "-b", "9000"]
TPROXY = ["TPROXY" if each == "REDIRECT" else each for each in INJECTED]


@pytest.fixture(scope="module", autouse=True)
def _able() -> None:
    missing = [each for each in ("unshare", "nsenter", "ip", "iptables-restore") if shutil.which(each) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in PATH: apt-get install iptables iproute2 util-linux")
    tried = subprocess.run(["unshare", "-n", "iptables-save"], capture_output=True, text=True, check=False)
    if os.geteuid() != 0 or tried.returncode:
        pytest.skip(f"network namespaces need root and a kernel that lets it: {tried.stderr.strip() or 'not root'}")


def tried(runs: list[list[str]], calls: list[tuple[str, str, str, int]]) -> dict[str, Any]:
    command = ["unshare", "-n", sys.executable, str(SCRIPT), json.dumps(runs), json.dumps(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert [each["code"] for each in found["runs"]] == [0] * len(runs), found["runs"]
    return found


# (what, arguments, [(who, from, address, port, whom he reaches, where he wanted to go)])
CASES: tuple[tuple[str, list[str], list[tuple[str, str, str, int, str, str]]], ...] = (
    (
        "as injected",
        INJECTED,
        [
            ("application", "", OUTSIDE, 80, "outbound", f"{OUTSIDE}:80"),
            ("application", "", "192.0.2.7", 443, "outbound", "192.0.2.7:443"),
            ("proxy", "", OUTSIDE, 7000, "outside", f"{OUTSIDE}:7000"),
            ("outside", "", POD, 8080, "inbound", f"{POD}:8080"),
            ("outside", "", POD, 9999, "inbound", f"{POD}:9999"),
            ("outside", "", POD, 15020, "status", f"{POD}:15020"),
            ("outside", "", POD, 15090, "statistics", f"{POD}:15090"),
            ("application", "", "127.0.0.1", 8080, "application", "127.0.0.1:8080"),
            ("application", "", POD, 8080, "application", f"{POD}:8080"),
            ("proxy", "", "127.0.0.1", 8080, "application", "127.0.0.1:8080"),
            # The proxy calls its own pod by a service's address: in again, as inbound.
            ("proxy", "", POD, 8080, "inbound", f"{POD}:8080"),
            # The proxy forwards to its application: no loop.
            ("proxy", "127.0.0.6", POD, 8080, "application", f"{POD}:8080"),
            ("proxy", "127.0.0.6", "127.0.0.1", 8080, "application", "127.0.0.1:8080"),
            ("application", "", "::1", 15001, "outbound", ""),
            ("proxy", "::6", "fd09::1", 8081, "application", ""),
        ],
    ),
    (
        "with exclusions",
        EXCLUDED,
        [
            ("application", "", OUTSIDE, 7000, "outside", f"{OUTSIDE}:7000"),
            ("application", "", OUTSIDE, 80, "outbound", f"{OUTSIDE}:80"),
            ("outside", "", POD, 8080, "application", f"{POD}:8080"),
            ("outside", "", POD, 15090, "inbound", f"{POD}:15090"),
        ],
    ),
    (
        "only what is listed",
        LISTED,
        [
            ("application", "", OUTSIDE, 80, "outside", f"{OUTSIDE}:80"),
            ("application", "", "192.0.2.7", 80, "outbound", "192.0.2.7:80"),
            ("outside", "", POD, 8080, "application", f"{POD}:8080"),
            ("outside", "", POD, 9000, "inbound", f"{POD}:9000"),
        ],
    ),
    (
        "transparent",
        TPROXY,
        [
            ("application", "", OUTSIDE, 80, "outbound", f"{OUTSIDE}:80"),
            ("proxy", "", OUTSIDE, 7000, "outside", f"{OUTSIDE}:7000"),
            ("outside", "", POD, 8080, "inbound", f"{POD}:8080"),
            ("outside", "", POD, 15020, "status", f"{POD}:15020"),
            ("proxy", "127.0.0.6", POD, 8080, "application", f"{POD}:8080"),
        ],
    ),
)


@pytest.mark.parametrize(("arguments", "calls"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_who_lands_where(arguments: list[str], calls: list[tuple[str, str, str, int, str, str]]) -> None:
    found = tried([arguments], [each[:4] for each in calls])["calls"]
    told = [(each["reached"], each.get("meant")) for each in found]
    assert told == [each[4:] for each in calls]


def test_in_tproxy_mode_the_caller_keeps_his_address() -> None:
    found = tried([TPROXY], [("outside", "", POD, 8080)])["calls"]
    assert found == [{"reached": "inbound", "meant": f"{POD}:8080", "from": OUTSIDE}]


@pytest.mark.parametrize("arguments", [INJECTED, TPROXY, [*INJECTED, "-c", "eth9", "-k", "eth8"]])
def test_a_second_run_changes_nothing(arguments: list[str]) -> None:
    first, second = tried([arguments, arguments], [])["states"]
    assert first == second
    assert any("ISTIO_REDIRECT" in line for line in first)


def test_what_an_earlier_run_with_other_flags_left_is_gone() -> None:
    """An init container that runs again after the pod's annotations changed."""
    alone, after = (tried(runs, [])["states"][-1] for runs in ([INJECTED], [LISTED, INJECTED]))
    assert alone == after


def test_both_families_where_the_pod_has_both() -> None:
    found = tried([INJECTED], [])
    assert "for IPv4 and IPv6" in found["runs"][0]["said"]
    assert sum("-A ISTIO_OUTPUT -j ISTIO_REDIRECT" in line for line in found["states"][0]) == 2


def test_without_the_capability_it_says_what_to_give() -> None:
    command = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-m", "flotilla_agent"]
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv in PATH: apt-get install util-linux")
    done = subprocess.run(
        ["unshare", "-n", *command, "interception", *INJECTED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "needs the capability NET_ADMIN" in done.stderr
    assert "capabilities.add: [NET_ADMIN, NET_RAW]" in done.stderr

"""Run under `unshare -n`: a pod's namespace and one outside, rules in the pod, and who is reached by whom, as JSON.

    python interception_namespace.py '["-b", "*", ...]' '[[who, from, address, port], ...]'

`who` is "application" (uid 1000), "proxy" (uid 1337) or "outside"; `from` is an address to call from, or empty.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

POD, OUTSIDE, V6 = "10.9.9.1", "10.9.9.2", "fd09::1"
PORTS = {15001: "outbound", 15006: "inbound", 8080: "application", 15020: "status", 15090: "statistics"}
UIDS = {"application": 1000, "proxy": 1337}
SO_ORIGINAL_DST = 80
SECONDS = 5


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def listen(address: str, port: int, name: str, *, transparent: bool = False) -> None:
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if transparent:
        server.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
    server.bind((address, port))
    server.listen()
    threading.Thread(target=answer, args=(server, name), daemon=True).start()


def answer(server: socket.socket, name: str) -> None:
    while True:
        connection, peer = server.accept()
        with connection:
            told = {"reached": name, "meant": meant(connection), "from": peer[0]}
            with suppress(OSError):
                connection.sendall(json.dumps(told).encode())


def meant(connection: socket.socket) -> str:
    """Where the caller wanted to go: what NAT remembers, else the address itself."""
    if connection.family == socket.AF_INET6:
        return ""
    with suppress(OSError):
        _, port, address = struct.unpack("!HH4s8x", connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))
        return f"{socket.inet_ntoa(address)}:{port}"
    host, port = connection.getsockname()[:2]
    return f"{host}:{port}"


@contextmanager
def user(uid: int):
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def call(who: str, source: str, address: str, port: int) -> dict[str, str]:
    with user(UIDS.get(who, 0)):
        caller = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with caller:
        caller.settimeout(SECONDS)
        try:
            if source:
                caller.bind((source, 0))
            caller.connect((address, port))
            return json.loads(caller.recv(4096) or b'{"reached": "closed"}')
        except OSError as error:
            return {"reached": type(error).__name__}


def outside() -> None:
    """The other namespace: a server on 80 and 7000, and calls that are given line by line."""
    print("up", flush=True)
    sys.stdin.readline()
    for port in (80, 7000):
        listen(OUTSIDE, port, "outside")
    print("listening", flush=True)
    for line in sys.stdin:
        print(json.dumps(call("outside", *json.loads(line))), flush=True)


def open_outside() -> subprocess.Popen[str]:
    other = subprocess.Popen(
        ["unshare", "-n", sys.executable, __file__, "outside"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    other.stdout.readline()
    return other


def connect(other: subprocess.Popen[str]) -> None:
    inside = ("nsenter", "-t", str(other.pid), "-n")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1", "netns", str(other.pid))
    run("ip", "address", "add", f"{POD}/24", "dev", "eth0")
    run("ip", "-6", "address", "add", f"{V6}/64", "dev", "eth0", "nodad")
    run("ip", "link", "set", "eth0", "up")
    run(*inside, "ip", "link", "set", "lo", "up")
    run(*inside, "ip", "address", "add", f"{OUTSIDE}/24", "dev", "eth1")
    run(*inside, "ip", "link", "set", "eth1", "up")
    run("ip", "route", "add", "default", "via", OUTSIDE)


def ask(other: subprocess.Popen[str], words: list[str] | None) -> str:
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdin.write(json.dumps(words) + "\n")
    other.stdin.flush()
    return other.stdout.readline()


def state() -> list[str]:
    saved = "".join(
        subprocess.run([f"{family}-save"], check=True, capture_output=True, text=True).stdout
        for family in ("iptables", "ip6tables")
    )
    rules = subprocess.run(["ip", "rule", "show"], check=True, capture_output=True, text=True).stdout
    return [line.split(" [")[0] for line in (saved + rules).splitlines() if not line.startswith("#")]


def intercept(arguments: list[str]) -> dict[str, object]:
    command = [sys.executable, "-m", "flotilla_agent", "interception", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"code": done.returncode, "said": done.stdout + done.stderr}


def main(runs: list[list[str]], calls: list[list[object]]) -> dict[str, object]:
    other = open_outside()
    try:
        connect(other)
        ask(other, None)
        transparent = "TPROXY" in runs[-1]
        for port, name in PORTS.items():
            listen("0.0.0.0", port, name, transparent=transparent and port == 15006)
        for port in (15001, 15006):
            listen("::1", port, PORTS[port])
        listen("::", 8081, "application")
        done, states = [], []
        for arguments in runs:
            done.append(intercept(arguments))
            states.append(state())
        found = [
            json.loads(ask(other, call_[1:])) if call_[0] == "outside" else call(*call_)  # type: ignore[arg-type]
            for call_ in calls
        ]
        return {"runs": done, "states": states, "calls": found}
    finally:
        other.terminate()
        other.wait()


if __name__ == "__main__":
    if sys.argv[1] == "outside":
        outside()
    else:
        print(json.dumps(main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))))

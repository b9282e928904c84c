"""Who listens on an address: an address in use is told with its holder."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from flotilla_agent.errors import WorkloadRefused

PROC = Path("/proc")
LISTENING = "0A"
SHOWN_CHARACTERS = 80


def refuse_if_held(address: str, port: int, purpose: str) -> None:
    """Raises WorkloadRefused if the address cannot be bound; its text names it and, if it can be seen, the holder.

    Binds without SO_REUSEPORT, with which two Envoys of one user would silently share a port.
    """
    with closing(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            place = f"{address}:{port} ({purpose})"
            if error.errno != errno.EADDRINUSE:
                raise WorkloadRefused(f"{place} cannot be bound: {error.strerror}") from error
            raise WorkloadRefused(
                f"{place} is held by {holder_of(address, port)}: stop it, or give the workload another address"
            ) from error


def holder_of(address: str, port: int) -> str:
    """`pid 12 (envoy -c ...)` of who listens there, as far as this user may see it."""
    wildcards = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
    sockets = [each for each in _listening() if each[0] in (address, *wildcards) and each[1] == port]
    if not sockets:
        return "another process"
    pid = _owner({f"socket:[{inode}]" for _, _, _, inode in sockets})
    return f"pid {pid} ({_command(pid)})" if pid else f"a process of user {sockets[0][2]}"


def _listening() -> Iterator[tuple[str, int, str, str]]:
    """(address, port, uid, inode) of every listening TCP socket."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING:
                    yield *_decode(fields[1]), fields[7], fields[9]


def _decode(place: str) -> tuple[str, int]:
    """The kernel's form: hexadecimal, each four bytes of the address in the machine's order."""
    raw, _, port = place.partition(":")
    words = [bytes.fromhex(raw[start : start + 8])[::-1] for start in range(0, len(raw), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address), int(port, 16)


def _owner(sockets: set[str]) -> str | None:
    for process in PROC.iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it ended, or belongs to somebody else
                if any(os.readlink(each) in sockets for each in (process / "fd").iterdir()):
                    return process.name
    return None


def _command(pid: str) -> str:
    with suppress(OSError):
        words = (PROC / pid / "cmdline").read_bytes().split(b"\0")
        return " ".join(word.decode(errors="replace") for word in words if word)[:SHOWN_CHARACTERS]
    return "gone"

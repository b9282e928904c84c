"""Whether the mesh's addresses are free, and if not, who holds them."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flotilla_cli.errors import CheckError
from flotilla_cli.plan.addresses import ENVOY_ADMIN_PORT, Listener

PROC = Path("/proc")
LISTENING = "0A"
SHOWN = 12


@dataclass(frozen=True)
class Holder:
    """Who listens on an address: a process of ours has a pid, another user's only its uid."""

    pid: int | None
    uid: int
    command: str

    def __str__(self) -> str:
        if self.pid is not None:
            return f"pid {self.pid} ({self.command})"
        return f"a process of user {self.uid}"


def check_addresses(listeners: Iterable[Listener]) -> None:
    """Binds and closes each once; raises CheckError that lists all that are taken, with their holders."""
    taken = [(listener, reason) for listener in listeners if (reason := _bind(listener))]
    if not taken:
        return
    in_use = [listener for listener, reason in taken if reason == errno.EADDRINUSE]
    holders = find_holders(in_use)
    lines = [f"  {_line(listener, reason, holders)}" for listener, reason in taken[:SHOWN]]
    if len(taken) > SHOWN:
        lines.append(f"  and {len(taken) - SHOWN} more")
    text = "The mesh needs addresses that it cannot have:\n" + "\n".join(lines) + "\n"
    if any(listener.port == ENVOY_ADMIN_PORT for listener in in_use):
        mend = (
            "Another mesh seems to be up here: `flotilla down` stops yours; beside another user's, "
            "use a copy of the directory with other addresses (127.1.x.x in place of 127.0.x.x)."
        )
    else:
        mend = "Stop what holds them, or change the addresses in the mesh's directory."
    raise CheckError(text, mend)


def _line(listener: Listener, reason: int, holders: dict[tuple[str, int], Holder]) -> str:
    place = f"{listener.address}:{listener.port} (for {listener.owner})"
    if reason != errno.EADDRINUSE:
        return f"{place}: {os.strerror(reason)}"
    holder = holders.get((listener.address, listener.port))
    return f"{place} is held by {holder}" if holder else f"{place} is in use"


def _bind(listener: Listener) -> int:
    """0 when free, else the errno. Without SO_REUSEPORT, so that an Envoy's listener is noticed too."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As every server does, or a port just left (TIME_WAIT) would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.address, listener.port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EINVAL
    return 0


def find_holders(listeners: Iterable[Listener]) -> dict[tuple[str, int], Holder]:
    """Who listens at each; whoever is on 0.0.0.0 of the port holds it on every address. Unknown ones are
    left out.
    """
    wanted = [(listener.address, listener.port) for listener in listeners]
    table = {(address, port): (uid, inode) for address, port, uid, inode in _listening_sockets()}
    matched: dict[tuple[str, int], tuple[int, int]] = {}
    for address, port in wanted:
        found = table.get((address, port)) or table.get(("0.0.0.0", port)) or table.get(("::", port))  # noqa: S104
        if found:
            matched[address, port] = found
    pids = _pids({inode for _, inode in matched.values()})
    return {key: Holder(pids.get(inode), uid, _command(pids.get(inode))) for key, (uid, inode) in matched.items()}


def _listening_sockets() -> Iterator[tuple[str, int, int, int]]:
    """(address, port, uid, inode) of every listening TCP socket of this machine."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENING:
                address, port = _decode(fields[1])
                yield address, port, int(fields[7]), int(fields[9])


def _decode(place: str) -> tuple[str, int]:
    """The kernel's form: hexadecimal, each four bytes of the address in the machine's order."""
    raw, _, port = place.partition(":")
    words = [bytes.fromhex(raw[start : start + 8])[::-1] for start in range(0, len(raw), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)


def _pids(inodes: set[int]) -> dict[int, int]:
    """Socket inode -> pid, as far as this user may look."""
    names = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, int] = {}
    for process in PROC.iterdir() if names else ():
        if not process.name.isdigit():
            continue
        for target in _open_files(process):
            if target in names:
                found.setdefault(names[target], int(process.name))
    return found


def _open_files(process: Path) -> Iterator[str]:
    try:
        entries = list((process / "fd").iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            yield str(entry.readlink())
        except OSError:
            continue


def _command(pid: int | None) -> str:
    try:
        arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    return " ".join(argument.decode(errors="replace") for argument in arguments if argument)[:80]

"""Run as a program: `python holder.py FOLDER OWNER NODE` makes a node's namespaces and leaves their first process behind.

The node has its own mounts, network, processes and host name. Its first process reaps orphans and does nothing else; when it
is killed, the kernel ends every other process of the node with it, and all its mounts, devices and rules.

Standard library only, and little of it: the first process stays for the node's life.
"""

import ctypes
import json
import os
import signal
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x20000000,
    0x40000000,
)
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE, MS_SHARED = 2, 4, 16384, 1 << 18, 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def main(folder: str, owner: str, node: str) -> int:
    """Returns when the first process is made and written down in FOLDER/holder.json; it is not told ready before that."""
    _checked(_libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET), "unshare")
    go, going = os.pipe()
    done, doing = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(going)
        os.close(done)
        if os.read(go, 1):  # nothing: the parent ended before it had written down who we are
            _be_first(folder, node, doing)
        os._exit(1)
    os.close(doing)
    _write_down(folder, owner, first)
    os.write(going, b"g")
    return 0 if os.read(done, 1) else 1


def _write_down(folder: str, owner: str, pid: int) -> None:
    with open(f"/proc/{pid}/stat") as stat:
        started = stat.read().rpartition(")")[2].split()[19]
    with open(f"{folder}/holder.json.new", "w") as file:
        json.dump({"pid": pid, "started": started, "owner": owner}, file)
    os.rename(f"{folder}/holder.json.new", f"{folder}/holder.json")


def _be_first(folder: str, node: str, doing: int) -> None:
    os.setsid()
    _mounts(folder)
    _checked(_libc.sethostname(node.encode(), len(node)), "sethostname")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    os.write(doing, b"d")
    os.close(doing)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    while True:
        signal.sigwait({signal.SIGCHLD})
        _reap()


def _mounts(folder: str) -> None:
    _mount("none", "/", None, MS_REC | MS_PRIVATE)  # nothing from here reaches the machine ...
    _mount("none", "/", None, MS_REC | MS_SHARED)  # ... and below, kubelet's volumes reach the containers
    _mount("proc", "/proc", "proc", 0)
    _mount("tmpfs", f"{folder}/node", "tmpfs", 0)
    # What container runtime and kubelet write outside of the folders that they are given.
    _mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV)
    _mount("tmpfs", "/var/log", "tmpfs", MS_NOSUID | MS_NODEV)
    for part in ("lib", "lib-work"):
        os.mkdir(f"{folder}/node/{part}")
    _mount(
        "overlay",
        "/var/lib",
        "overlay",
        0,
        f"lowerdir=/var/lib,upperdir={folder}/node/lib,workdir={folder}/node/lib-work",
    )


def _mount(source: str, target: str, kind: "str | None", flags: int, options: "str | None" = None) -> None:
    text = [value and value.encode() for value in (source, target, kind)]
    _checked(_libc.mount(*text, ctypes.c_ulong(flags), options and options.encode()), f"mount {target}")


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _checked(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Rules into the kernel, by iptables-restore: a transaction a table, and the same end whatever was there before."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flotilla_agent.interception.config import InterceptionConfig, InterceptionRefused
from flotilla_agent.interception.rules import PASSTHROUGH, make_rules
from flotilla_agent.interception.tables import BUILT_IN, OWN_PREFIX, V4, V6, Rule, Ruleset, restore_text

STATUS = Path("/proc/self/status")
IPV6_ADDRESSES = Path("/proc/net/if_inet6")
NET_ADMIN = 12  # linux/capability.h
SECONDS = 30
WAIT_SECONDS = "10"  # for whoever else writes rules now
_LINK_LOCAL = "20"


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one family."""

    tables: str
    restore: str
    save: str
    family: str  # of `ip -f`


PROGRAMS = {
    V4: Programs("iptables", "iptables-restore", "iptables-save", "inet"),
    V6: Programs("ip6tables", "ip6tables-restore", "ip6tables-save", "inet6"),
}


def has_ipv6() -> bool:
    """Whether the pod has an address of that family beyond loopback and link-local ones."""
    try:
        lines = IPV6_ADDRESSES.read_text().splitlines()
    except OSError:
        return False
    return any(fields[3] != _LINK_LOCAL and fields[5] != "lo" for fields in map(str.split, lines))


def rulesets(config: InterceptionConfig, *, ipv6: bool) -> list[Ruleset]:
    return [make_rules(config, version) for version in ((V4, V6) if ipv6 else (V4,))]


def routes(config: InterceptionConfig, version: int) -> list[tuple[str, ...]]:
    """As arguments of `ip`: the address from which the proxy calls its application, which IPv6's loopback has not by
    itself, and in mode TPROXY the way of what carries the mark: to here.
    """
    ip = ("ip", "-f", PROGRAMS[version].family)
    wanted: list[tuple[str, ...]] = []
    if version == V6 and config.mode != "NONE":
        wanted.append((*ip, "address", "replace", PASSTHROUGH[V6], "dev", "lo"))
    if config.mode == "TPROXY":
        mark, table = str(config.tproxy_mark), str(config.tproxy_table)
        wanted.append((*ip, "rule", "add", "fwmark", mark, "lookup", table))
        wanted.append((*ip, "route", "replace", "local", "default", "dev", "lo", "table", table))
    return wanted


def apply(config: InterceptionConfig, *, ipv6: bool) -> None:
    """Blocking. Raises InterceptionRefused where the capability, a program or a part of the kernel is missing."""
    _refuse_without_capability()
    for ruleset in rulesets(config, ipv6=ipv6):
        programs = PROGRAMS[ruleset.version]
        if ruleset.rules:
            text = restore_text(ruleset, _stale(programs, ruleset))
            _run((programs.restore, "--noflush", "-w", WAIT_SECONDS), text)
        for command in routes(config, ruleset.version):
            if "rule" not in command or not _has_rule(programs, config):
                _run(command)


def _refuse_without_capability() -> None:
    effective = next(line for line in STATUS.read_text().splitlines() if line.startswith("CapEff:")).split()[1]
    if not int(effective, 16) & (1 << NET_ADMIN):
        raise InterceptionRefused(
            "interception needs the capability NET_ADMIN, which this container does not have: give it to the init "
            "container istio-init (securityContext.capabilities.add: [NET_ADMIN, NET_RAW], runAsUser: 0) and see that the "
            "namespace's pod security lets it"
        )


def _stale(programs: Programs, ruleset: Ruleset) -> list[Rule]:
    """Rules of built-in chains from an earlier run: jumps into our chains, and those that are ours by their words."""
    saved = _saved(_run((programs.save,)))
    jumps = [each for each in saved if _jumps_to_ours(each)]
    filled = {(each.table, each.chain) for each in saved}
    ours = [each for each in ruleset.rules if not each.own_chain and not _jumps_to_ours(each)]
    return jumps + [each for each in ours if (each.table, each.chain) in filled and _is_there(programs, each)]


def _jumps_to_ours(rule: Rule) -> bool:
    return any(
        word == "-j" and target.startswith(OWN_PREFIX) for word, target in zip(rule.match, rule.match[1:], strict=False)
    )


def _saved(text: str) -> list[Rule]:
    """The rules of built-in chains in what iptables-save prints."""
    table, found = "", []
    for line in text.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:].strip()
        elif len(words) > 2 and words[0] == "-A" and words[1] in BUILT_IN:
            found.append(Rule(table, words[1], tuple(words[2:])))
    return found


def _is_there(programs: Programs, rule: Rule) -> bool:
    check = (programs.tables, "-w", WAIT_SECONDS, "-t", rule.table, "-C", rule.chain, *rule.match)
    return _call(check).returncode == 0


def _has_rule(programs: Programs, config: InterceptionConfig) -> bool:
    shown = _run(("ip", "-f", programs.family, "rule", "show"))
    wanted = (f"fwmark {config.tproxy_mark:#x}", f"lookup {config.tproxy_table}")
    return any(all(part in line for part in wanted) for line in shown.splitlines())


def _run(command: Sequence[str], text: str = "") -> str:
    """What it prints. Raises InterceptionRefused."""
    done = _call(command, text)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise InterceptionRefused(f"`{' '.join(command)}` failed with code {done.returncode}: {said}")
    return done.stdout


def _call(command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0])
    if program is None:
        package = "iproute2" if command[0] == "ip" else "iptables"
        raise InterceptionRefused(f"there is no {command[0]} in PATH: install the package {package}")
    try:
        return subprocess.run(  # noqa: S603  # words of our own, checked by config
            [program, *command[1:]], input=text, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InterceptionRefused(f"`{' '.join(command)}` did not end within {SECONDS} s") from error

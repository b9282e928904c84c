"""Policies and calls, drawn: small pools of values, so that rules hold about as often as they do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.authorization.test_authorization_compiled import policies_of

Json = dict[str, Any]
NAMESPACE = "foo"
IDENTITIES = (
    "",
    "cluster.local/ns/foo/sa/web",
    "cluster.local/ns/foo/sa/db",
    "cluster.local/ns/foo-2/sa/web",
    "old.example/ns/bar/sa/web",
    "other.org/ns/bar.baz/sa/a.b",
)
TRUST_DOMAINS = ("cluster.local", "old.example")
SNIS = ("", "a.example", "b.example.org")
SOURCES = ("127.0.0.1", "127.0.0.2", "127.0.1.9")
PATHS = (
    "/",
    "/api",
    "/api/",
    "/api/v1/users",
    "/api/v1/users/7",
    "/api/v1/users/7/files/a.txt",
    "/Api",
    "/api?x=1",
    "/x//y",
    "/api/v1/a=b;c",
    "/%2e%2e/x",
    "/api/~u/files/",
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
HOSTS = ("web", "web:80", "WEB.foo.svc", "a.example.com", "x.y.example.com", "example.com")
TEXTS = ("", "v1", "v1-beta", "canary v1", "V1", "a,b")
FORWARDED = ("", "10.1.2.3", "192.168.7.9, 10.1.2.3", "10.1.2.3, 192.168.7.9", "2001:db8::7", "nonsense")
CLAIMS: Sequence[Json | None] = (
    None,
    {"iss": "https://issuer.example", "sub": "alice"},
    {"iss": "https://issuer.example", "sub": "bob", "aud": "books", "azp": "web"},
    {"iss": "me", "sub": "alice", "aud": ["books", "films"], "groups": ["admin", "dev"], "scope": "read write"},
    {"iss": "me", "sub": "carol", "groups": "dev", "nested": {"inner": ["a", "b"]}, "level": 7, "ok": True},
)
_PRINCIPALS = (
    "cluster.local/ns/foo/sa/web",
    "old.example/ns/foo/sa/db",
    "cluster.local/ns/foo*",
    "*/sa/web",
    "*/ns/bar/sa/web",
    "*example/ns/bar/sa/web",
    "*",
    "other.org/ns/bar.baz/sa/a.b",
)
_POOLS: dict[str, Sequence[str]] = {
    "source.principal": _PRINCIPALS,
    "source.namespace": ("foo", "foo*", "*-2", "bar.baz", "*", "barXbaz", "f*o"),
    "source.serviceAccount": ("web", "foo/web", "bar.baz/a.b", "foo-2/web", "db"),
    "source.trustDomain": ("cluster.local", "*.example", "other*", "*", "cluster.loc"),
    "source.ip": ("127.0.0.1", "127.0.0.0/24", "127.0.1.0/28", "10.0.0.0/8", "::1", "::/0"),
    "remote.ip": ("10.1.2.3", "10.0.0.0/8", "127.0.0.0/8", "192.168.7.9", "2001:db8::/32"),
    "destination.ip": ("127.0.0.1", "10.0.0.0/8"),
    "connection.sni": ("a.example", "*.org", "b*", "*"),
    "request.host": ("web", "WEB*", "*.example.com", "*", "web:80", "*.FOO.svc"),
    "request.method": ("GET", "P*", "*T", "*", "get"),
    "request.path": (
        "/api",
        "/api/*",
        "*/users/7",
        "*",
        "/api/v1/users/{*}",
        "/api/{**}",
        "/{*}/v1/{*}/{*}/files/{**}",
        "/{**}/x",
        "/{*}",
    ),
    "request.auth.principal": ("https://issuer.example/alice", "*", "me/*", "*/alice", "*ob", "https://issuer*", "me"),
    "request.auth.audiences": ("books", "film*", "*", "*s"),
    "request.auth.presenter": ("web", "*"),
    "request.auth.claims[groups]": ("admin", "d*", "*"),
    "request.auth.claims[scope]": ("read", "*te", "read write"),
    "request.auth.claims[nested][inner]": ("a", "*"),
    "request.auth.claims[level]": ("7", "*"),
    "request.headers[X-Version]": ("v1", "v1*", "*v1", "*"),
    "request.headers[:method]": ("GET", "*"),
    "request.headers[Host]": ("web", "*"),
    "request.headers[:path]": ("/api?x=1", "/api*"),
}
_FIELDS = {
    "source.principal": "principals",
    "source.namespace": "namespaces",
    "source.serviceAccount": "serviceAccounts",
    "source.trustDomain": "trustDomains",
    "source.ip": "ipBlocks",
    "remote.ip": "remoteIpBlocks",
    "request.auth.principal": "requestPrincipals",
    "request.host": "hosts",
    "request.method": "methods",
    "request.path": "paths",
    "destination.port": "ports",
}
_SOURCE = [name for name in _FIELDS if name.startswith(("source.", "remote.", "request.auth"))]
_OPERATION = [name for name in _FIELDS if name not in _SOURCE]
# What `when` has no name for.
_NOT_IN_WHEN = ("request.host", "request.method", "request.path")


@dataclass(frozen=True)
class Drawn:
    """A call; an empty text is what it does not have. `claims` are those of its token."""

    principal: str
    sni: str
    source: str
    port: int
    method: str = ""
    host: str = ""
    path: str = ""
    version: str = ""
    forwarded: str = ""
    claims: Json | None = field(default=None, compare=False)


class Drawing:
    """Draws from a seed: the same every time. `ports` are those that are called."""

    def __init__(self, seed: int, ports: Sequence[int]) -> None:
        self._random = random.Random(seed)
        self._ports = ports
        self._pools = {**_POOLS, "destination.port": [*map(str, ports), "1"]}

    def policies(self, number: int) -> list[Any]:
        """The policies of one workload."""
        count = self._random.choice((1, 1, 2, 3))
        return policies_of([self._policy(f"p{number}-{each}") for each in range(count)], TRUST_DOMAINS)

    def _policy(self, name: str) -> Json:
        action = self._random.choice(("ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "AUDIT"))
        rules = [self._rule() for _ in range(self._random.choice((0, 1, 1, 1, 2, 3)))]
        return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"action": action, "rules": rules}}

    def _rule(self) -> Json:
        rule: Json = {
            "from": [{"source": self._fields(_SOURCE)} for _ in range(self._random.choice((0, 1, 1, 2)))],
            "to": [{"operation": self._fields(_OPERATION)} for _ in range(self._random.choice((0, 1, 1, 2)))],
            "when": [self._condition() for _ in range(self._random.choice((0, 0, 1, 2)))],
        }
        return {name: each for name, each in rule.items() if each}

    def _fields(self, names: Sequence[str]) -> Json:
        found: Json = {}
        for name in self._random.sample(names, self._random.choice((1, 1, 2))):
            plain = _FIELDS[name]
            for key, chance in ((plain, 0.8), (f"not{plain[0].upper()}{plain[1:]}", 0.25)):
                if self._random.random() < chance:
                    found[key] = self._values(name)
        return found

    def _condition(self) -> Json:
        name = self._random.choice([each for each in self._pools if each not in _NOT_IN_WHEN])
        condition: Json = {"key": name, "values": self._values(name)}
        if self._random.random() < 0.3:
            condition["notValues"] = self._values(name)
            if self._random.random() < 0.5:
                del condition["values"]
        return condition

    def _values(self, name: str) -> list[str]:
        pool = self._pools[name]
        return self._random.sample(list(pool), self._random.choice((1, 2, 3)) if len(pool) > 3 else 1)

    def call(self) -> Drawn:
        """An HTTP request."""
        pick: Callable[[Sequence[Any]], Any] = self._random.choice
        return Drawn(
            pick(IDENTITIES),
            pick(SNIS),
            pick(SOURCES),
            pick(self._ports),
            pick(METHODS),
            pick(HOSTS),
            pick(PATHS),
            pick(TEXTS),
            pick(FORWARDED),
            pick(CLAIMS),
        )

    def connection(self, port: int) -> Drawn:
        """A connection that is no HTTP."""
        return Drawn(self._random.choice(IDENTITIES), self._random.choice(SNIS), self._random.choice(SOURCES), port)

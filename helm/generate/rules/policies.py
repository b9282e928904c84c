"""Policies: what they are for, and the security kinds."""

from __future__ import annotations

from helm.generate.rules.terms import (
    FILLED,
    PORT,
    REFERENCES,
    SPAN,
    TARGETS,
    Table,
    both,
    each,
    given,
    needs,
    rule,
    values,
)

_SEC, _TYPE = "istio.security.v1beta1", "istio.type.v1beta1"
_DOMAIN = "^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_SOURCE_LISTS = "principals requestPrincipals namespaces ipBlocks remoteIpBlocks trustDomains"
_OPERATION_LISTS = "hosts ports methods paths"
_ACCOUNTS = each({**FILLED, "maxLength": 320, "pattern": "^[^/*]+(/[^/*]+)?$"}, maxItems=16)
# Kubernetes bounds what checking may cost, and so wants to know how many there can be.
_MANY = {"maxItems": 512}
LABELS = both(
    rule("self.all(key, key != '' && !key.contains('*'))", "a label has a name, in which a star is no wildcard"),
    values({"maxLength": 63, "pattern": "^[^*]*$"}, maxProperties=256),
)


def _lists(names: str) -> dict[str, dict[str, object]]:
    """Both ways of each list: what must be, and what must not."""
    plain = names.split()
    return {name: each(FILLED) for name in (*plain, *(f"not{name[0].upper()}{name[1:]}" for name in plain))}


POLICIES: Table = {
    f"{_TYPE}.WorkloadSelector": {"matchLabels": LABELS},
    f"{_TYPE}.PortSelector": {"": needs("number"), "number": PORT},
    f"{_TYPE}.PolicyTargetReference": {
        "": needs("kind", "name"),
        "group": {"maxLength": 253, "pattern": _DOMAIN},
        "kind": {**FILLED, "maxLength": 63, "pattern": "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"},
        "name": {**FILLED, "maxLength": 253},
        "namespace": {"maxLength": 0},
    },
    f"{_SEC}.PeerAuthentication": {
        "": rule(
            f"!has(self.portLevelMtls) || (has(self.selector) && {given('selector.matchLabels')})",
            "portLevelMtls is for chosen workloads; say which by selector.matchLabels",
        ),
        "portLevelMtls": both(
            rule("self.all(key, 1 <= int(key) && int(key) <= 65535)", "a port is a number from 1 to 65535"),
            {"minProperties": 1, "maxProperties": 1024},
        ),
    },
    f"{_SEC}.RequestAuthentication": {"": TARGETS, "targetRefs": REFERENCES},
    f"{_SEC}.JWTRule": {
        "": both(
            rule("has(self.issuer) || has(self.jwksUri)", "say whose tokens are meant: issuer, or jwksUri"),
            rule("!(has(self.jwks) && has(self.jwksUri))", "jwks and jwksUri exclude each other; keep one of them"),
        ),
        "issuer": FILLED,
        "outputPayloadToHeader": FILLED,
        "audiences": each(FILLED),
        "jwksUri": {"pattern": "^https?://"},
        "fromParams": each(FILLED),
        "fromCookies": each(FILLED),
        "timeout": SPAN,
    },
    f"{_SEC}.JWTHeader": {"": needs("name"), "name": FILLED},
    f"{_SEC}.ClaimToHeader": {
        "": needs("header", "claim"),
        "header": {**FILLED, "pattern": "^[-_A-Za-z0-9]+$"},
        "claim": FILLED,
    },
    f"{_SEC}.AuthorizationPolicy": {
        "": both(
            TARGETS,
            rule(
                "has(self.provider) == (has(self.action) && self.action == 'CUSTOM')",
                "action CUSTOM has a provider, and no other action has",
            ),
        ),
        "targetRefs": REFERENCES,
        "rules": _MANY,
    },
    f"{_SEC}.Rule": {"from": _MANY, "to": _MANY},
    f"{_SEC}.AuthorizationPolicy.ExtensionProvider": {"": needs("name"), "name": FILLED},
    f"{_SEC}.Rule.From": {"": needs("source")},
    f"{_SEC}.Rule.To": {"": needs("operation")},
    f"{_SEC}.Source": {
        "": {
            "minProperties": 1,
            **rule(
                f"!({given('serviceAccounts')} || {given('notServiceAccounts')}) || !({given('principals')} ||"
                f" {given('notPrincipals')} || {given('namespaces')} || {given('notNamespaces')})",
                "serviceAccounts exclude namespaces and principals; keep one of them",
            ),
        },
        **_lists(_SOURCE_LISTS),
        "serviceAccounts": _ACCOUNTS,
        "notServiceAccounts": _ACCOUNTS,
    },
    f"{_SEC}.Operation": {"": {"minProperties": 1}, **_lists(_OPERATION_LISTS)},
    f"{_SEC}.Condition": {
        "": needs("key"),
        "key": FILLED,
        "values": each(FILLED),
        "notValues": each(FILLED),
    },
}

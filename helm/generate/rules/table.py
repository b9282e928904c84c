"""All rules in one table, and how they are put into a schema."""

from __future__ import annotations

from helm.generate.rules.destinations import DESTINATIONS
from helm.generate.rules.entries import ENTRIES, WORKLOAD_ENTRY
from helm.generate.rules.extensions import EXTENSIONS
from helm.generate.rules.listeners import LISTENERS
from helm.generate.rules.policies import POLICIES
from helm.generate.rules.routes import ROUTES
from helm.generate.rules.terms import Schema, Table

RULES: Table = {**POLICIES, **ENTRIES, **DESTINATIONS, **ROUTES, **LISTENERS, **EXTENSIONS}
# Kind -> what is added to its spec, and not to its message elsewhere.
SPECS: dict[str, Schema] = {"WorkloadEntry": WORKLOAD_ENTRY}
# Kinds without a spec of which nothing could be made.
NEED_SPEC = frozenset(("ServiceEntry", "WorkloadEntry", "WorkloadGroup"))


def with_rules(schema: Schema, added: Schema) -> Schema:
    """A copy of a schema with what is added: dictionaries go into each other, rules behind those that are there."""
    made = dict(schema)
    for key, value in added.items():
        before = made.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            made[key] = with_rules(before, value)
        elif isinstance(value, list) and isinstance(before, list):
            made[key] = [*before, *value]
        else:
            made[key] = value
    return made

"""ServiceRoleBindings of roles that there are not."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import text
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import SERVICE_ROLE_BINDINGS, SERVICE_ROLES


def look(binding: Resource, view: View) -> Iterator[Message]:
    """A binding names a role of its own namespace, in either of two ways."""
    for field, name in (
        ("spec.roleRef.name", text(binding.written_spec, "roleRef", "name")),
        ("spec.role", text(binding.written_spec, "role").removeprefix("/")),
    ):
        if name and view.get(SERVICE_ROLES, binding.namespace, name) is None:
            yield tell("ReferencedResourceNotFound", binding, field, what="service role", name=name)


ANALYZER = Analyzer(
    "auth.ServiceRoleBindingAnalyzer",
    "whether the role of each ServiceRoleBinding is there",
    (SERVICE_ROLE_BINDINGS, SERVICE_ROLES),
    {SERVICE_ROLE_BINDINGS: look},
)

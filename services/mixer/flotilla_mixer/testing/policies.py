"""AuthorizationPolicies for tests, and the instance that gives handlers everything that they can ask about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_mixer.authorization.engine import PolicyEngine
from flotilla_mixer.authorization.policies import policy_engine
from flotilla_mixer.authorization.roles import RoleEngine, role_engine
from flotilla_mixer.testing.meshes import Objects, read_objects
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

CALL = """\
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: call, namespace: istio-system}
spec:
  compiledTemplate: authorization
  params:
    subject:
      user: source.principal | ""
      properties:
        source.ip: source.ip
        remote.ip: request.headers["x-forwarded-for"] | ""
    action:
      namespace: destination.namespace | ""
      service: destination.service.host | ""
      method: request.method | ""
      path: request.path | ""
      properties:
        context.protocol: context.protocol
        destination.labels: destination.labels | emptyStringMap()
        destination.ip: destination.ip
        destination.port: destination.port | 0
        request.host: request.host | ""
        request.headers: request.headers | emptyStringMap()
        connection.sni: connection.requested_server_name | ""
"""


def judged_by(adapter: str, params: str = "{}") -> str:
    """A rule for all inbound calls that asks this adapter about `CALL`."""
    return f"""\
{CALL}---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: judge, namespace: istio-system}}
spec: {{compiledAdapter: {adapter}, params: {params}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: authorize, namespace: istio-system}}
spec:
  match: context.reporter.kind == "inbound"
  actions: [{{handler: judge, instances: [call]}}]
"""


def policy(spec: Mapping[str, Any], name: str = "p", namespace: str = "default") -> str:
    """An AuthorizationPolicy as YAML."""
    return f"""\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {dict(spec)!r}
"""


def engine_of(*texts: str) -> tuple[PolicyEngine, Mapping[ObjectKey, tuple[Problem, ...]]]:
    """The engine of these AuthorizationPolicies, and what is wrong with them."""
    objects, problems = read_objects(*texts), ProblemLog()
    engine = policy_engine(objects[kinds.AUTHORIZATION_POLICIES].values(), _mesh(objects), "cluster.local", problems)
    return engine, problems.found()


def roles_of(*texts: str) -> tuple[RoleEngine, Mapping[ObjectKey, tuple[Problem, ...]]]:
    """The engine of these roles and bindings, and what is wrong with them."""
    objects, problems = read_objects(*texts), ProblemLog()
    return role_engine(objects, _mesh(objects), "cluster.local", problems), problems.found()


def _mesh(objects: Objects) -> ConfigObject | None:
    return min(objects[kinds.MESH_CONFIG].values(), key=lambda each: each.key, default=None)

"""What can keep the agent or a workload from running. Each text is one sentence for people.

AgentError
├── AgentRefused       the agent cannot start: another one answers on its control socket
├── PodRefused         the environment of the pod cannot be used
├── WorkloadRefused    a workload cannot be taken: a name or an address is held, a path is too long
└── AdminUnavailable   Envoy's admin port does not answer, or not as Envoy does
"""

from __future__ import annotations


class AgentError(Exception):
    """The root of the agent's own errors."""


class AgentRefused(AgentError):
    """The agent cannot start."""


class WorkloadRefused(AgentError):
    """The workload cannot be taken as it is."""


class AdminUnavailable(AgentError):
    """Envoy's admin port did not answer, or not as Envoy does."""


class PodRefused(AgentError):
    """The pod's environment does not say who it is, or says what cannot be."""

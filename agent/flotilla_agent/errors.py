"""What can keep a workload from running.

AgentError
├── WorkloadRefused    it cannot be taken: an address is held, a path is too long, a name is taken
└── AdminUnavailable   Envoy's admin port does not answer
"""

from __future__ import annotations


class AgentError(Exception):
    """One sentence for people."""


class WorkloadRefused(AgentError):
    """The workload cannot be taken as it is."""


class AdminUnavailable(AgentError):
    """Envoy's admin port did not answer, or not as Envoy does."""

"""What can go wrong with the cluster, in one sentence for the developer who ran it."""

from __future__ import annotations


class ClusterError(Exception):
    """The text names the part, what is wrong and what would be right."""


class NotPossible(ClusterError):
    """This machine cannot hold a cluster: no root, no Go, a missing package. The text says what to do."""

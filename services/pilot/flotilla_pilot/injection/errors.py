"""InjectionRefused: the pod, or what says how to inject, cannot be taken as it is."""

from __future__ import annotations


class InjectionRefused(ValueError):
    """One sentence names the annotation (or key), the value, and what would be right."""

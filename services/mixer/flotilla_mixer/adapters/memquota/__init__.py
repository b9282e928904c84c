"""Quotas in memory: of one Mixer, lost with it."""

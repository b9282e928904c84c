"""Quotas in Redis: one count for all Mixers."""

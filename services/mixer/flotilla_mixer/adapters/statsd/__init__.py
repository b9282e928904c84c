"""Metrics for a StatsD server, in datagrams."""

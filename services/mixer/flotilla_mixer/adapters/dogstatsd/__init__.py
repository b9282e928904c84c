"""Metrics, events and service checks for a Datadog agent, in DogStatsD's lines."""

"""Metrics and logs for Datadog, over its HTTP intake. `vocabulary` is what dogstatsd has in common with it."""

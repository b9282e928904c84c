"""Metrics, logs and spans for a collector of OpenTelemetry's protocol."""

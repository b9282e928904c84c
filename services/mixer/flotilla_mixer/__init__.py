"""Mixer: decides on requests and collects telemetry through adapters."""

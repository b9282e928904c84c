"""How a Flotilla service lives: start and stop, settings, logs, metrics, identity, TLS, serving, streams.

A service composes these; nothing here knows a service. Modules are imported one by one, so that a command that
needs settings does not load gRPC.
"""

"""Clients and servers that speak xDS themselves, without an Envoy: gRPC's `xds:///` (pilot.md 4).

They ask for one name at a time and take less than an Envoy does, each in its own way, so that here is only what gRPC's
libraries have in common.
"""

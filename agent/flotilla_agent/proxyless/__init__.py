"""Workloads without an Envoy: applications whose gRPC library speaks xDS itself (`xds:///`).

The agent gives them what an Envoy would have: a way to Pilot with the workload's certificate, the certificate as files,
and the bootstrap that names both.
"""

"""The agent beside Envoy: one process for one workload, or for all workloads of a machine.

bootstrap -> identity (shared runtime) -> sds        envoy (run, drain)        status
"""

"""Injection: a pod in, the pod with its proxy out. Pure; `servers/injection.py` is the edge.

configuration, values -> decision -> annotations -> template (sidecar or gateway) -> merge -> metadata, probes -> patch
"""

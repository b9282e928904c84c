"""Calls a backend over gRPC with instances of Istio's own templates."""

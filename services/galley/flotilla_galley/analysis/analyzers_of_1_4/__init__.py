"""Analyzers of Istio 1.4 where it decides otherwise than today's Istio."""

"""Envoy's services on 15004: external authorization and access logs."""

"""Policies in Rego, of the configuration or of an OPA server."""

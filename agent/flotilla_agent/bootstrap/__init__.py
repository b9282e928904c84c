"""Envoy's bootstrap: pure, from settings to the JSON that Envoy starts with."""

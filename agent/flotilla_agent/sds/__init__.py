"""Secrets to Envoy: `secrets` makes the messages, `server` streams them on a Unix socket."""

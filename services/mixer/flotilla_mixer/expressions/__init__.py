"""Evaluating expressions: each becomes a Python function when the configuration is read."""

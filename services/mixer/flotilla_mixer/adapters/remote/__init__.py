"""Adapters out of process: what is called for a handler whose adapter is an object, and for `bypass`."""

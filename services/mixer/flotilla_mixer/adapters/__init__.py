"""Adapters: one folder each, with its metadata.yaml, its README and its code. Each is an entry point of the group
`flotilla.mixer.adapters`; others may add theirs the same way.
"""

"""Topics of the introspection page."""

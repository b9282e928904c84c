"""Says no, always: the adapter for rules that close something."""

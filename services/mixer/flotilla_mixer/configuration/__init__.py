"""From objects to a configuration: what rules, handlers and instances mean together. Pure."""

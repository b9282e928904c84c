"""The commands, one module each: `run` does it and prints; what can be refused raises FlotillaError."""

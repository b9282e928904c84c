"""What the services must agree on, as pure values and functions: no I/O, no clock, no third-party client."""

"""Where the root's key is kept: `establish` has the interface, `file` the implementation in a folder."""

"""Where the root's key is kept: `establish` has the interfaces; `file` keeps it in a folder, `secret` in a Secret, which
`root_watch` looks after.
"""

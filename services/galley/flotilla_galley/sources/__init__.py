"""Where configuration comes from: a directory of YAML and the mesh configuration's file.

`yaml_documents` reads YAML and remembers lines, `documents` makes objects of it, `folder` reads files,
`watching` says when to look again.
"""

"""Starting a mesh's processes in order, watching them, stopping them.

`child.py` one process; `fleet.py` all of them by name; `probe.py` asks the services how they are;
`supervisor.py` knows the order and what belongs together; `control.py` lets other commands speak to it;
`launch.py` runs it.
"""

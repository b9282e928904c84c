"""How the mesh is: `gather.py` asks everybody, `view.py` is the answer's shape, `table.py` shows it."""

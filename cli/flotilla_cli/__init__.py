"""The `flotilla` command: a mesh on one machine, started, watched, stopped and shown.

In the order in which `flotilla up` uses them:

- `plan/` reads a mesh's directory: what is to run, and where (pure but for reading files);
- `checks/` says before anything starts what would go wrong;
- `credentials/` makes the key, the JWKS file and the tokens; `settings_files.py` each service's settings;
- `supervision/` starts the processes in order, watches them, and answers on the control socket;
- `status/` and `trace.py` show what the services know; `demo/` walks through all of it;
- `mesh.py` is the same for Python: start a mesh, drive it, ask it (the demo and the end-to-end tests use it);
- `commands/` is the command line, one module a command, each imported only when it is called.
"""

"""`flotilla demo`: the example mesh, shown step by step; each step says what it did, what it saw, and
whether it held.

`walk.py` brings the mesh up and goes through `steps.py`; `traffic.py` calls the page all the while;
`stage.py` prints.
"""

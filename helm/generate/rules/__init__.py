"""What an API server is told to refuse: of each message its needs, bounds and rules over several fields.

Each of them is held by Galley too, with a sentence of its own and for every way that configuration comes; here are those
that a schema can say. A table maps the full name of a message to its fields (by their JSON names; "" is the message itself)
and what is added to their schemas.
"""

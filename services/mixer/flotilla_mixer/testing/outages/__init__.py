"""Backends that are away, slow and back, beside a whole Mixer in a process of its own that goes on being asked.

    counterpart   what an adapter says of its backend: start, stop, the same place, how much it has received
    entries       what is reported
    load          a steady load of Reports and Checks over the native API
    watch         Mixer from outside: its memory and what it counts
    play          the phases, one after the other
    served        backends in Python, in processes of their own
    outcome       what came of it: what must hold, and a row of the record

`python -m flotilla_mixer.testing.outages FOLDER` plays all counterparts of a folder and prints a record.
"""

"""`flotilla check`: whether a cluster can have Flotilla, or whether the Flotilla in it is as it should be.

finding (what a check says) <- cluster (reads the API, each thing once) <- one module a section -> run -> show
"""

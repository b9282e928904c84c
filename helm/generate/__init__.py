"""Makes what the charts have from the code: values, their schema and reference, and the files that follow the kinds.

`make charts` writes it all; `python -m helm.generate --check` says what differs.
"""

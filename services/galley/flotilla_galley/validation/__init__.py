"""Whether an object may be distributed: its fields are known, have their types, and make sense together.

`decode` makes the message of a spec, with the path of every mistake; a module a kind holds that kind's rules
(reference: Istio's validation, by the ids in each docstring); `validate` runs both.
"""

"""Whether a call may be made: policies in their normal form, compiled to Python functions. Pure.

call      what is known of the call
texts     texts and addresses against the patterns of policies
clauses   one thing that is asked of a call, as a function
rules     a rule, as a function
engine    all policies of a mesh, by workload, and the verdict with the policy and rule that it rests on
policies  AuthorizationPolicy objects to an engine, and what is wrong with which
roles     the same of 1.4's roles, and where they count
"""

"""Who may call what, in one form, whatever kind of object says it: AuthorizationPolicy, and 1.4's roles and bindings.

attributes     what a call is asked about, and which of it only HTTP has
policy         the normal form
policies       AuthorizationPolicy -> normal form
roles          1.4's ServiceRoles and their bindings -> normal form
trust_domains  principals under the names that the mesh's trust domain has had
selection      which policies concern a workload, in which order
"""

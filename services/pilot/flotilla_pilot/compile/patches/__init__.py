"""EnvoyFilter: what its patches change in the finished resources of a proxy.

The order of work is Istio's: in a resource first what is merged and removed, from the outside in, then what is
added. `selection` finds a proxy's patches, `matching` and its neighbours where each belongs, `listeners`, `routes`
and `clusters` apply them, `repair` leaves out those that Envoy would refuse, and `apply` does it for a proxy.
"""

"""Services that a platform tells of by itself: on Kubernetes, Services, EndpointSlices, Pods, Nodes and Namespaces.

`kubernetes` watches, `conversion` makes the model's services of what is there, by `endpoints` and `topology`. What
configuration declares (ServiceEntry, WorkloadEntry) comes from Galley and is merged in the snapshot.
"""

"""The agent in a pod: one workload, told by the pod's environment.

environment, podinfo -> workload (what it is) -> app (its life)      status_app (15020) <- probes, scrape
"""

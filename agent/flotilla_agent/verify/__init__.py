"""Proves from inside the cluster that a control plane works: `python -m flotilla_agent.verify`, which `helm test` runs.

It does once what a new workload and the API server do: asks the services whether they are ready, has a certificate signed,
takes configuration from Pilot, and calls the webhooks. One line a step; exit code 1 if one does not hold in time.
"""

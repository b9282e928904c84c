"""Configuration that Galley makes of what Kubernetes has, by Istio 1.4's rules; each is an option and off by default.

`kubernetes` holds the inputs as values; `ingress_gateways` and `ingress_routes` make Gateways and VirtualServices of
Ingresses, `service_entries` makes ServiceEntries of Services, `derive` runs what is switched on.
"""

"""Kubernetes Ingress as Gateways and VirtualServices, by the rules of Istio. Pure."""

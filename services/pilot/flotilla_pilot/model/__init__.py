"""What Pilot knows of the mesh: proxies, services, endpoints, rules; immutable, no input or output."""

"""What of the mesh one proxy sees: its Sidecar, the services it may call, the gateways it serves."""

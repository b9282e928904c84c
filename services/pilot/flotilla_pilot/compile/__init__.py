"""From the mesh and a proxy to the finished bytes of its resources; pure."""

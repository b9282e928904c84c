"""Whether what an Envoy reports to Mixer arrives. The agent outlives Mixer, so it can tell what was lost."""

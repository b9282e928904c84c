"""How configuration goes out: `distributor` gives each subscriber its deltas, `mcp` carries them over gRPC,
`access` says who may have what.
"""

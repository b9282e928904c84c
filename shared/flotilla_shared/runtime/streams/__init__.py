"""Configuration streams: deltas in, acknowledgements out; and the narrow stream of status back.

`carrier` is the interface that both ends share, with the carrier for one process; `mcp_client` is the carrier over
gRPC; `codec` turns objects into MCP's resources and back; `status` reports what became of each object.
"""

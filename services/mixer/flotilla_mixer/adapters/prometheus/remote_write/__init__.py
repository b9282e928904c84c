"""Values that Mixer writes to a Prometheus by itself: remote write 1.0. Begin with `writer`.

writer     when what is written, and which series have ended
encoding   a label set as the series of a WriteRequest
wire       protobuf's bytes of these messages
receiver   whom it is written to, with which headers
settings   parameters as values, and what is wrong with them
"""

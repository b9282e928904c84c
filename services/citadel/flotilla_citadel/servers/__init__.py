"""What Citadel serves: certificates over gRPC, its own certificate to itself, and what it shows of its work.

`authority` does the work and knows no transport; `certificate_service` speaks gRPC; `own_certificate` asks
the authority for Citadel's own serving certificate; `issued` remembers what was signed lately.
"""

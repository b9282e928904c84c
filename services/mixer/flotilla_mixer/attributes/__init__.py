"""From what Envoy sends to attribute bags: who reports, who the peer is, what was asked and answered."""

"""What is compiled goes to proxies, and what they answer is remembered.

    pushes -> connection (one a stream) -> session (what to send, in which order) -> watch (one type) -> wire
                                           what the proxy answers -> ledger, trace, metrics

`session`, `watch`, `subscription`, `verdict`, `request` and `wire` are pure; the others run on the event loop.
"""

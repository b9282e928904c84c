"""What adapters must be and what they are given: the adapter kit. Begin with `adapter`.

adapter      Adapter, Handler, Environment: the contract
environment  the Environment that handlers get: it owns their tasks, thread and deliveries, and ends them
delivery     a bounded queue that is sent in batches; `sending`: one batch, tried again where that may help
rounds       what is added up in a handler, and sent at intervals
counters     what handlers count; `complaints`: what they log, at most so often
secrets      secrets in files that are read again
http         a batch by POST, and what the answer means for it; `connections`: to an HTTP backend, with files that may change
datagrams    lines over UDP or a Unix socket; `framed`: over a Unix stream
gotext       Go's text templates, for names and payloads
params       parameters described in code, for adapters without a .proto file
results      what Checks and quota calls are answered; `text`: values as text and numbers
catalogue    which adapters there are
"""

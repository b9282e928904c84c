"""Log entries to Fluentd, by its forward protocol (https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1).

adapter     parameters to a handler; `settings`: what they are made into
entries     rows to entries; `messages`: entries to messages
frames      where messages end in a stream; `handshake`: HELO, PING and PONG
connection  one connection; `forwarder`: batches over one connection at a time, to one of several servers
"""

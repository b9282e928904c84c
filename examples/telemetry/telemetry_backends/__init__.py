"""Backends of Bookinfo's telemetry for `flotilla demo --adapters`: a module for each, named as the adapter.

    python -m telemetry_backends.statsd --mixer 127.0.0.14     (in examples/telemetry)

starts the program on loopback and prints a line of JSON: `params`, which the handler needs beside those of its file in
`config/`, `environment`, the variables that Mixer needs, `services`, whose calls it is told of, and `page`, where a person
sees them; or `missing`, the way to get the program. Each line of input is answered by the calls that it has been told of, by
called service: {"details": 10}. It ends with its input.
"""

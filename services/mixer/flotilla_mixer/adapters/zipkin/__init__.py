"""Spans of traces for a Zipkin server, over HTTP."""

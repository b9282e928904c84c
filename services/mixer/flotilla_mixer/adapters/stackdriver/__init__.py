"""Metrics, logs, traces and edges for Google Cloud (Stackdriver, as it was called).

adapter      parameters: what is wrong with them, and the handler that they make
messages     Google's messages and channels, which are there with the extra `stackdriver` alone
access       credentials; place: project, location and cluster; link: a channel that follows them
series       rows of `metric` to cells, cells to points (values, buckets); monitoring sends them
entries      rows of `logentry` to entries; logging sends them, sinks keeps sinks
spans        rows of `tracespan` to spans; tracing sends them
edges        rows of `edge` to entries of a log
"""

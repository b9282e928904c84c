"""Metrics for Prometheus, on a page that it scrapes."""

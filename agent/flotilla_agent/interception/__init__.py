"""Interception: the rules of netfilter that bring a pod's connections to its Envoy.

config (what was asked for) -> rules (pure: which rules, in which order) -> tables (as text) -> apply (iptables-restore)
"""

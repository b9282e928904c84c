"""Istio 1.4's rules of the kinds that today's Istio has too, as far as they are others than today's.

What both have in common stands once, in the modules around; here is what 1.4 asks beyond it, or did not ask.
"""

"""Galley: reads configuration, validates it, keeps the last good version, distributes it.

sources -> validation -> snapshot -> distribution        status <- reports of Pilot and Mixer
"""

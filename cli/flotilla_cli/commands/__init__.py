"""The commands, one module each: `run(arguments)` does it and prints, and may give an exit code.

What can be refused raises FlotillaError.
"""

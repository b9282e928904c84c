"""Help for tests of what Pilot compiles; not used by Pilot itself."""

"""The services' own work on files, without a mesh that runs: read by Galley's rules, compiled by Pilot's."""

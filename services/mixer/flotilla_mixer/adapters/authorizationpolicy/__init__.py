"""The mesh's AuthorizationPolicies, judged by Mixer."""

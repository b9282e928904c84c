"""What several Flotilla services share: `model` (pure agreements) and `runtime` (how a service lives)."""

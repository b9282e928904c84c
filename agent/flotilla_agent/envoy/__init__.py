"""One Envoy: `admin` asks it, `process` runs and drains it, `addresses` finds who holds an address."""

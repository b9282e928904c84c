"""Where the root's key is kept. `RootStore` is the interface; `file` is the first one (a Kubernetes Secret follows)."""

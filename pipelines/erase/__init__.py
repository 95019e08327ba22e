"""Erases a person from what runs left. It imports pyarrow, because it rewrites manifests."""

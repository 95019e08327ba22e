"""Erases a person from what runs left. May import pyarrow, because manifests are what is rewritten."""

"""Exports a checkpoint to LiteRT files."""

"""Compares the faces of photos."""

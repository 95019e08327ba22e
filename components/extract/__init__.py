"""Finds faces in photos."""

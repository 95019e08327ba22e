"""Embeds faces with a trained network."""

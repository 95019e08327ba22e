"""Chooses the faces to learn from, and who is kept unseen."""

"""Chooses the faces to learn from, and the people who are kept unseen."""

"""Scores embeddings by the standard verification protocol."""

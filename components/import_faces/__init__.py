"""Takes over crops that others made."""

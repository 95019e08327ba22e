"""Trains the network on triplets mined from its own state."""

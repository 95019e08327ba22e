"""Searches for settings: which trials there are, which of them go on, and how they run side by side."""

"""The pipeline: its wiring, its compiled form, and the ways to run it."""

"""What every stage shares: manifests, errors, flags, atomic results. Imports nothing heavier than pyarrow."""

"""The records of runs, the locks on them, and the summary of a run."""

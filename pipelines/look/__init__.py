"""Looking at runs: what is in a runs folder, a task's results, and how two runs differ. Nothing here changes a run."""

"""`facenet ui`: runs, tasks and artifacts in a browser, on this machine only."""

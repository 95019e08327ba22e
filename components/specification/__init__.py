"""A stage as Kubeflow sees it: its image, the code in it, and its interface, made from the stage's settings."""

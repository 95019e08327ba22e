"""What Kubeflow is told of a stage: its image, the code in it, and its interface, made from the stage's settings."""

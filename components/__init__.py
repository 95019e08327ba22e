"""The pipeline's stages: everything that runs inside a container."""

"""Face embedders as LiteRT files, run without TensorFlow."""

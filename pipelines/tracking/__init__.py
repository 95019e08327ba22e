"""What of a finished run goes to an experiment tracker and to a registry of models."""

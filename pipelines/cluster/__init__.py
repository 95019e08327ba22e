"""Runs on a Kubeflow cluster: what is sent there, how it is asked, how a run is followed."""

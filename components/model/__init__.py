"""The network, its backbones and its checkpoint."""

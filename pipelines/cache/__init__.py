"""The cache: which tasks the results of earlier runs answer."""

"""What a compiled pipeline says: the file that kfp writes, read into a plan."""

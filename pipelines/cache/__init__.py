"""What need not run again."""
